"""One answer of a study: a contrast, where it was measured, and a sentence that says it in plain
English.

In: a `Contrast` and the names of what was compared. Out: an `Answer`, whose fields are the JSON
contract. Knows nothing of statistics. Numbers are rounded in the sentence only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from seedbed.metrics import METRICS, Metric
from seedbed.verdicts.contrasts import Contrast, Interval, Verdict

_MAX_DECIMALS = 4
TRAINING_TIME = (
    # ends a sentence
    " The reference was still improving with longer training, so this may be an effect of training time."
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a study says about one arm on one target; fields as in the JSON document."""

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
    # the same arms on the source itself, where they can be compared there
    source_difference: float | None = None
    chance_false_worse: float | None = None
    chance_false_equivalent: float | None = None
    limiting_images: int = 0  # test images, where they set the limit to what seeds can show

    @property
    def finding(self) -> str:
        """The sentence without what it shares with its family (the place, and the remark on
        training time), for under a heading."""
        place = _place(self.target, self.method, self.metric, self.images_seen)
        return self.sentence.removeprefix(f"{place}, ").removesuffix(TRAINING_TIME)

    def to_dict(self) -> dict[str, Any]:
        """The fields in order, pairs as lists: what `json` writes and reads back unchanged."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What a sentence calls the arms (their names by default), and on which labels of the source
    the same arms differ by how much."""

    arm: str | None = None
    reference: str | None = None
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
    """Puts a contrast into its place and into words.

    Args:
        target, method: names; "source" and "pretraining" for accuracy on the source itself.
        images_seen: training budget; None where each arm stands at its own best.
        unit: "percent" or "score".
        converged: False if the reference still gained more than the margin from a longer training.
        wording: what the sentence says beside the contrast.
        checkpoint: whether the arm is one existing checkpoint; taken from the contrast as well.
    """
    wording = wording or Wording()
    words = _Words(
        contrast=contrast,
        arm=_called(wording.arm or quoted(contrast.arm), checkpoint or contrast.arm_is_checkpoint),
        reference=_called(
            wording.reference or quoted(contrast.reference), contrast.reference_is_checkpoint
        ),
        metric=METRICS.get(metric),
    )
    after = ("" if wording.on_source is None else _beside(*wording.on_source)) + (
        TRAINING_TIME if converged is False else ""
    )
    sentence = f"{_place(target, method, metric, images_seen)}, {words.verdict()}{after}"
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


def quoted(arm: str) -> str:
    """An arm's name in a sentence: with quotes, as "worse than all" would read otherwise."""
    return f"'{arm}'"


def _called(words: str, checkpoint: bool) -> str:
    return f"this checkpoint ({words})" if checkpoint else words


_SOURCES = {"source": "the source itself", "source_fine": "all fine labels of the source"}


def _beside(target: str, difference: float) -> str:
    """What the same arms' difference was on the source."""
    number = f"{difference:+.1f}" if round(difference, 1) else "0.0"
    return f" On {_SOURCES[target]} the difference was {number} points."


def _place(target: str, method: str, metric: str, images_seen: int | None) -> str:
    details = [metric] if method == "pretraining" else [method, metric]
    if images_seen is None:
        details.append("each arm at its own best training budget")
    elif images_seen:
        details.append(f"{_count(images_seen, 'image')} seen")
    return f"On {_SOURCES.get(target, target)} ({', '.join(details)})"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@dataclass(frozen=True, kw_only=True)
class _Words:
    """The words for one contrast; `arm` and `reference` are what it calls them."""

    contrast: Contrast
    arm: str
    reference: str
    metric: Metric

    def verdict(self) -> str:
        contrast = self.contrast
        if contrast.interval is None:
            return self._no_interval()
        if contrast.verdict == "undecided":
            return self._undecided(contrast.interval)
        if contrast.verdict == "equivalent":
            return self._equivalent(contrast.interval)
        return self._one_sided(contrast.interval)

    def _one_sided(self, interval: Interval) -> str:
        low, high = sorted(abs(end) for end in interval)
        size = self._amount(abs(self.contrast.difference))
        evidence = self._evidence((low, high))
        return f"{self.arm} is {self.contrast.verdict} than {self.reference} by {size} ({evidence}). {self._beyond()}"

    def _beyond(self) -> str:
        margin = self._margin()
        if self.contrast.beyond_margin:
            return f"All of the interval lies beyond the margin of {margin}."
        return f"Part of the interval lies within the margin of {margin}."

    def _equivalent(self, interval: Interval) -> str:
        ninety = self.contrast.interval_90
        assert ninety is not None
        text = (
            f"{self.arm} is equivalent to {self.reference} within +-{self._margin()} (difference "
            f"{self._amount(self.contrast.difference)}, 90 % interval {self._range(ninety)}, "
            f"{self._evidence(interval)})."
        )
        if self.contrast.significant:
            side = "worse" if self.contrast.difference < 0 else "better"
            text += f" The 95 % interval excludes 0: {self.arm} is {side} by a small but real difference."
        return text

    def _undecided(self, interval: Interval) -> str:
        text = (
            f"it is undecided whether {self.arm} differs from {self.reference} (difference "
            f"{self._amount(self.contrast.difference)}, {self._evidence(interval)})."
        )
        return f"{text} {self._seeds_needed()}"

    def _seeds_needed(self) -> str:
        if num := self.contrast.limiting_images:
            many = f"seeds alone would not show it four times in five on {num:,} {self.metric.counted_in[num != 1]}"
            return f"If the true difference is of this size, {many}: it takes more {self.metric.counted_in[1].removeprefix('test ')}."
        if (
            self.contrast.seeds_needed is None
            and abs(self.contrast.difference) < self.contrast.margin
        ):
            return "A difference as small as this would hardly be shown by more seeds; that it lies within the margin may be."
        if self.contrast.seeds_needed is None:
            return "At a difference of this size, more seeds alone would hardly decide it."
        low, high = self.contrast.seeds_needed
        number = f"{low:,} to {high:,}" if low < high else f"{low:,}"
        return f"If the true difference is of this size, about {number} seeds per arm would show it four times in five."

    def _no_interval(self) -> str:
        return (
            f"it is undecided whether {self.arm} differs from {self.reference} (difference "
            f"{self._amount(self.contrast.difference)}; {_count(self.contrast.num_seeds, 'seed')}). "
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
        """Given by the user, hence as given: 1 point, 0.5 points, 0.04."""
        margin = f"{self.contrast.margin:g}"
        noun = "point" if margin == "1" else "points"
        return margin if self.metric.unit == "score" else f"{margin} {noun}"

    def _number(self, value: float) -> str:
        """Rounded as any other, but never so far that it loses its sign."""
        places = decimals(value, self.metric.decimals)
        text = f"{value:.{places}f}"
        return text.removeprefix("-") if float(text) == 0 else text


def decimals(value: float, usual: int) -> int:
    """Decimals at which a number does not lose its sign: the usual ones, more where it is tiny, up
    to four."""
    places = usual
    while value and places < _MAX_DECIMALS and round(abs(value), places) == 0:
        places += 1
    return places if round(abs(value), places) else usual
