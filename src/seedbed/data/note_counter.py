"""Count what a format passes over in annotations, by kind, with the first example of each.

In: kinds and examples. Out: sentences for the notes of a source.
"""

from __future__ import annotations


class NoteCounter:
    """Counts annotations and images by kind; a kind is a sentence with the fields `{num}`, `{s}`
    and `{es}` (plural endings), `{are}` and `{have}`: "{num} box{es} without area left out"."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, str] = {}

    def add(self, kind: str, example: object = "") -> None:
        """Count one; the text of the first example of a kind is shown."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if kind not in self._examples:
            self._examples[kind] = str(example)

    def lines(self) -> tuple[str, ...]:
        """A sentence for each kind, in the order in which the kinds first occurred."""
        return tuple(self._line(kind, num) for kind, num in self._counts.items())

    def _line(self, kind: str, num: int) -> str:
        one = num == 1
        text = kind.format(
            num=f"{num:,}",
            s="" if one else "s",
            es="" if one else "es",
            are="is" if one else "are",
            have="has" if one else "have",
        )
        example = self._examples[kind]
        if not example:
            return text
        return f"{text}: {example}" if one else f"{text}: the first is {example}"
