"""Arrays -> numbers: one file per family of metrics, pure functions."""

# Every metric's unit and direction: the closed list of the command line contract.
_ERRORS = ("top1_error", "top5_error")
_PERCENT = (
    "top1",
    "top5",
    "mean_class_accuracy",
    "induction_top1",
    "induction_top5",
    "induction_within_top1",
    "map_voc07",
    "map_voc10",
    "map_holidays",
    "map_oxford",
    "map_retrieval",
    "recall_at_1",
    "recall_at_4",
    *_ERRORS,
)
UNITS: dict[str, str] = {**dict.fromkeys(_PERCENT, "percent"), "ns_score": "score"}
_OF_QUERIES = (
    "map_holidays",
    "map_oxford",
    "map_retrieval",
    "recall_at_1",
    "recall_at_4",
    "ns_score",
)
TESTED_ON: dict[str, tuple[str, str]] = {  # one of what a metric is a mean over, and several
    name: ("query", "queries") if name in _OF_QUERIES else ("test image", "test images")
    for name in UNITS
}
HIGHER_IS_BETTER: dict[str, bool] = {name: name not in _ERRORS for name in UNITS}
