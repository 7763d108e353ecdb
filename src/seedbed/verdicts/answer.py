"""One answer of a study: a contrast, where it was measured, and a sentence in plain English.

In: a `Contrast` and the names of the arms. Out: an `Answer`, whose fields are the JSON contract.
Only the sentence has rounded numbers.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from seedbed.metrics import METRICS, Metric
from seedbed.verdicts.contrasts import Contrast, Interval, Verdict

_MAX_DECIMALS = 4
# The last sentence of an answer whose reference had not converged.
TRAINING_TIME = (
    " The reference was still improving with longer training, so this may be an effect of training "
    "time."
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The comparison of an arm with its reference on one target; fields as in the JSON document."""

    question: str
    target: str
    method: str
    images_seen: int | None
    metric: str
    unit: str
    arm: str
    reference: str
    difference: float
    interval: Interval | None
    interval_90: Interval | None
    interval_seeds: Interval | None
    p_value: float | None
    significant: bool
    margin: float
    verdict: Verdict
    beyond_margin: bool
    converged: bool | None
    num_seeds: int
    seeds_needed: tuple[int, int] | None
    sentence: str
    # the difference of the same arms on the source, if they are comparable there
    source_difference: float | None = None
    chance_false_worse: float | None = None
    chance_false_equivalent: float | None = None
    # number of test images, if it limits the power at any number of seeds
    limiting_images: int = 0

    @property
    def short_sentence(self) -> str:
        """The sentence without target, method and warning, for a list under a heading."""
        setting = _setting(self.target, self.method, self.metric, self.images_seen)
        return self.sentence.removeprefix(f"{setting}, ").removesuffix(TRAINING_TIME)

    def to_dict(self) -> dict[str, Any]:
        """The fields in order, tuples as lists: `json` writes and reads them unchanged."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True, kw_only=True)
class Wording:
    """Descriptions of the arms in a sentence, and their difference on the source.

    Arms without a description are called by their names.
    """

    arm: str | None = None
    reference: str | None = None
    # "source" or "source_fine", difference in points
    on_source: tuple[str, float] | None = None


def answer_from_contrast(
    contrast: Contrast,
    *,
    question: str,
    target: str,
    method: str,
    images_seen: int | None,
    metric: str,
    unit: str,
    converged: bool | None,
    wording: Wording | None = None,
    checkpoint: bool = False,
) -> Answer:
    """Make an answer, with its sentence, from a contrast.

    Args:
        target, method: names; "source" and "pretraining" for accuracy on the source itself.
        images_seen: training budget; None if each arm is at its own best training budget.
        unit: "percent" or "score".
        converged: False if the reference still gained more than the margin from longer training.
        wording: descriptions of the arms, and their difference on the source.
        checkpoint: whether the arm is an existing checkpoint, in addition to the contrast's flag.
    """
    wording = wording or Wording()
    setting = _setting(target, method, metric, images_seen)
    verdict = _verdict_sentences(contrast, wording, METRICS.get(metric), checkpoint)
    sentence = f"{setting}, {verdict}{TRAINING_TIME if converged is False else ''}"
    return Answer(
        question=question,
        target=target,
        method=method,
        images_seen=images_seen,
        metric=metric,
        unit=unit,
        arm=contrast.arm,
        reference=contrast.reference,
        difference=contrast.difference,
        interval=contrast.interval,
        interval_90=contrast.interval_90,
        interval_seeds=contrast.interval_seeds,
        p_value=contrast.p_value,
        significant=contrast.significant,
        margin=contrast.margin,
        verdict=contrast.verdict,
        beyond_margin=contrast.beyond_margin,
        converged=converged,
        num_seeds=contrast.num_seeds,
        seeds_needed=contrast.seeds_needed,
        sentence=sentence,
        chance_false_worse=contrast.chance_false_worse,
        chance_false_equivalent=contrast.chance_false_equivalent,
        limiting_images=contrast.limiting_images,
        source_difference=None if wording.on_source is None else wording.on_source[1],
    )


def _verdict_sentences(
    contrast: Contrast, wording: Wording, metric: Metric, is_checkpoint: bool
) -> str:
    arm = wording.arm or quoted(contrast.arm)
    reference = wording.reference or quoted(contrast.reference)
    writer = _SentenceWriter(
        contrast=contrast,
        arm=_describe(arm, is_checkpoint=is_checkpoint or contrast.arm_is_checkpoint),
        reference=_describe(reference, is_checkpoint=contrast.reference_is_checkpoint),
        metric=metric,
    )
    on_source = "" if wording.on_source is None else _source_sentence(*wording.on_source)
    return writer.verdict() + on_source


def quoted(arm: str) -> str:
    """An arm's name in quotes, to avoid sentences such as "worse than all"."""
    return f"'{arm}'"


def _describe(arm: str, *, is_checkpoint: bool) -> str:
    return f"this checkpoint ({arm})" if is_checkpoint else arm


_SOURCE_NAMES = {"source": "the source itself", "source_fine": "all fine labels of the source"}


def _source_sentence(target: str, difference: float) -> str:
    number = f"{difference:+.1f}" if round(difference, 1) else "0.0"
    return f" On {_SOURCE_NAMES[target]} the difference was {number} points."


def _setting(target: str, method: str, metric: str, images_seen: int | None) -> str:
    details = [metric] if method == "pretraining" else [method, metric]
    if images_seen is None:
        details.append("each arm at its own best training budget")
    elif images_seen:
        details.append(f"{_count(images_seen, 'image')} seen")
    return f"On {_SOURCE_NAMES.get(target, target)} ({', '.join(details)})"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@dataclass(frozen=True, kw_only=True)
class _SentenceWriter:
    """Writes the sentence of one contrast; `arm` and `reference` are descriptions."""

    contrast: Contrast
    arm: str
    reference: str
    metric: Metric

    def verdict(self) -> str:
        contrast = self.contrast
        if contrast.interval is None:
            return self._without_interval()
        if contrast.verdict == "undecided":
            return self._undecided(contrast.interval)
        if contrast.verdict == "equivalent":
            return self._equivalent(contrast.interval)
        return self._worse_or_better(contrast.interval)

    def _worse_or_better(self, interval: Interval) -> str:
        low, high = sorted(abs(end) for end in interval)
        size = self._amount(abs(self.contrast.difference))
        return (
            f"{self.arm} is {self.contrast.verdict} than {self.reference} by {size} "
            f"({self._evidence((low, high))}). {self._margin_sentence()}"
        )

    def _margin_sentence(self) -> str:
        margin = self._margin()
        if self.contrast.beyond_margin:
            return f"The whole interval lies beyond the margin of {margin}."
        return f"Part of the interval lies within the margin of {margin}."

    def _equivalent(self, interval: Interval) -> str:
        interval_90 = self.contrast.interval_90
        assert interval_90 is not None
        text = (
            f"{self.arm} is equivalent to {self.reference} within +-{self._margin()} (difference "
            f"{self._amount(self.contrast.difference)}, 90 % interval {self._range(interval_90)}, "
            f"{self._evidence(interval)})."
        )
        if self.contrast.significant:
            side = "worse" if self.contrast.difference < 0 else "better"
            text += (
                f" The 95 % interval excludes 0: {self.arm} is {side} by a small but significant "
                "difference."
            )
        return text

    def _undecided(self, interval: Interval) -> str:
        text = (
            f"it is undecided whether {self.arm} differs from {self.reference} (difference "
            f"{self._amount(self.contrast.difference)}, {self._evidence(interval)})."
        )
        return f"{text} {self._power_sentence()}"

    def _power_sentence(self) -> str:
        """How many seeds or test images would show a difference of the estimated size."""
        contrast, (_, images) = self.contrast, self.metric.counted_in
        if num := contrast.limiting_images:
            return (
                "If the true difference is this large, no number of seeds shows it with 80 % power "
                f"on {num:,} {self.metric.counted_in[num != 1]}: more "
                f"{images.removeprefix('test ')} are needed."
            )
        if contrast.seeds_needed is None and abs(contrast.difference) < contrast.margin:
            return (
                "More seeds can hardly show a difference this small, but may show that it lies "
                "within the margin."
            )
        if contrast.seeds_needed is None:
            return "More seeds alone can hardly show a difference of this size."
        low, high = contrast.seeds_needed
        number = f"{low:,} to {high:,}" if low < high else f"{low:,}"
        return (
            f"If the true difference is this large, about {number} seeds per arm would show it "
            "with 80 % power."
        )

    def _without_interval(self) -> str:
        return (
            f"it is undecided whether {self.arm} differs from {self.reference} (difference "
            f"{self._amount(self.contrast.difference)}; "
            f"{_count(self.contrast.num_seeds, 'seed')}). "
            "An interval needs at least 2 seeds in both arms."
        )

    def _evidence(self, interval: Interval) -> str:
        over = (
            f"new seeds and new {self.metric.counted_in[1]}"
            if self.contrast.covers_images
            else "new seeds"
        )
        seeds = _count(self.contrast.num_seeds, "seed")
        return f"95 % interval {self._range(interval)}, over {over}; {seeds}"

    def _range(self, interval: Interval) -> str:
        return f"{self._number(interval[0])} to {self._number(interval[1])}"

    def _amount(self, value: float) -> str:
        number = self._number(value)
        return number if self.metric.unit == "score" else f"{number} points"

    def _margin(self) -> str:
        """The margin as the user wrote it: 1 point, 0.5 points, 0.04."""
        margin = f"{self.contrast.margin:g}"
        noun = "point" if margin == "1" else "points"
        return margin if self.metric.unit == "score" else f"{margin} {noun}"

    def _number(self, value: float) -> str:
        """A rounded number that does not lose its sign."""
        text = f"{value:.{decimals(value, self.metric.decimals)}f}"
        return text.removeprefix("-") if float(text) == 0 else text


def decimals(value: float, usual: int) -> int:
    """The usual number of decimals, or up to four if the value would otherwise round to 0."""
    num = usual
    while value and num < _MAX_DECIMALS and round(abs(value), num) == 0:
        num += 1
    return num if round(abs(value), num) else usual
