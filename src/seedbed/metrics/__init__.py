"""Arrays -> numbers: one file per family of metrics, pure functions."""

# Every metric's unit and direction: the closed list of the command line contract that this version measures.
UNITS = {"top1": "percent", "top5": "percent", "mean_class_accuracy": "percent"}
HIGHER_IS_BETTER = {"top1": True, "top5": True, "mean_class_accuracy": True}
