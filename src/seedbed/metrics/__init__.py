"""Arrays -> numbers: one file per family of metrics, pure functions."""

# Every metric's unit and direction: the closed list of the command line contract that this version measures.
_ERRORS = ("top1_error", "top5_error")
UNITS: dict[str, str] = dict.fromkeys(
    ("top1", "top5", "mean_class_accuracy", "induction_top1", "induction_top5", "induction_within_top1", *_ERRORS), "percent"
)
HIGHER_IS_BETTER: dict[str, bool] = {name: name not in _ERRORS for name in UNITS}
