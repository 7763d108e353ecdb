"""WordNet 3.0's nouns, as a table that comes with seedbed: synsets, their words, their hypernyms.

In: synset ids (`n02084071`), names (`dog.n.01`) or plain words ("dog"). Out: the hierarchy above
them; what a word may mean. The table is made by `scripts/make_wordnet.py`; its licence lies beside
it. Of several hypernyms the first by name is the primary parent, as Huh, Agrawal and Efros (2016)
had it. Knows nothing of images.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from seedbed.base.errors import UsageError, nearest
from seedbed.data.hierarchy import Hierarchy

_TABLE = Path(__file__).with_name("wordnet30.npz")
_ID, _NAME = re.compile(r"n\d{8}"), re.compile(r".+\.n\.\d+")


@dataclass(frozen=True, eq=False)
class WordNet:
    """Synsets by their position in the table, ascending by offset."""

    offsets: np.ndarray  # uint32 [n]
    starts: np.ndarray  # int64 [n + 1], into parents
    parents: np.ndarray  # uint32 [m], positions of hypernyms, the primary one first
    lemmas: tuple[str, ...]  # of each synset, separated by spaces, words joined by "_"
    # uint8, of each lemma of each synset in turn: which of its meanings, 1 the most frequent
    senses: np.ndarray

    def position(self, synset: str) -> int:
        """Of an id or a name; raises UsageError for what WordNet has not."""
        if _ID.fullmatch(synset):
            place = int(np.searchsorted(self.offsets, int(synset[1:])))
            if place < len(self.offsets) and self.offsets[place] == int(synset[1:]):
                return place
            raise UsageError(
                f"WordNet 3.0 has no noun synset {synset!r}",
                "Ids of other versions of WordNet differ.",
            )
        if _NAME.fullmatch(synset):
            if synset in self._by_name:
                return self._by_name[synset]
            word = synset.rsplit(".", 2)[0]
            meanings = ", ".join(self.name(i) for i in self.meanings(word))
            raise UsageError(
                f"WordNet 3.0 has no synset {synset!r}",
                f"{word!r} may be: {meanings}." if meanings else self._near(word),
            )
        raise UsageError(f"{synset!r} is no synset", "Write n02084071, or dog.n.01.")

    def id(self, position: int) -> str:
        return f"n{self.offsets[position]:08d}"

    def name(self, position: int) -> str:
        """`dog.n.01`: the first lemma in lower case, and which of its meanings this is."""
        return self._names[position]

    def words(self, position: int) -> str:
        """`dog, domestic dog, Canis familiaris`."""
        return self.lemmas[position].replace(" ", ", ").replace("_", " ")

    def above(self, position: int) -> str:
        """The first words of its primary hypernym."""
        parents = self.parents[self.starts[position] : self.starts[position + 1]]
        return self.words(int(parents[0])).partition(",")[0] if len(parents) else ""

    def meanings(self, word: str) -> list[int]:
        """Synsets of a word, the most frequent meaning first; "_", "-" and case do not matter; a
        plural's singular is tried last."""
        key = _key(word)
        found = self._by_word.get(key, []) or next(
            (f for k in _singulars(key) if (f := self._by_word.get(k))), []
        )
        return [i for _, i in sorted(found)]

    def hierarchy(self, leaves: Iterable[str]) -> Hierarchy:
        """All that lies above these synset ids: ids, primary parents first, named by their first
        words."""
        left = [self.position(leaf) for leaf in leaves]
        parents: dict[int, np.ndarray] = {}
        while left:
            i = left.pop()
            if i not in parents:
                parents[i] = self.parents[self.starts[i] : self.starts[i + 1]]
                left += parents[i].tolist()
        above = {self.id(i): tuple(self.id(p) for p in ps) for i, ps in parents.items() if len(ps)}
        return Hierarchy(above, names={self.id(i): self.words(i) for i in parents})

    @cached_property
    def _names(self) -> list[str]:
        counts = np.array([text.count(" ") + 1 for text in self.lemmas])
        first = self.senses[np.concatenate([[0], np.cumsum(counts)[:-1]])]
        return [
            f"{text.partition(' ')[0].lower()}.n.{sense:02d}"
            for text, sense in zip(self.lemmas, first.tolist(), strict=True)
        ]

    @cached_property
    def _by_name(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self._names)}

    @cached_property
    def _by_word(self) -> Mapping[str, list[tuple[int, int]]]:
        found: dict[str, list[tuple[int, int]]] = {}
        senses = iter(self.senses.tolist())
        for i, text in enumerate(self.lemmas):
            for lemma in text.lower().replace("-", "_").split(" "):
                found.setdefault(lemma, []).append((next(senses), i))
        return found

    def _near(self, word: str) -> str:
        near = nearest(_key(word), [k for k in self._by_word if k[:2] == _key(word)[:2]])
        return f"Did you mean {near!r}?" if near else "WordNet does not know the word."


def is_synset(text: str) -> bool:
    """Whether a text is written as an id or a name of a synset; it need not be one."""
    return bool(_ID.fullmatch(text) or _NAME.fullmatch(text))


def _key(word: str) -> str:
    return "_".join(word.lower().replace("-", " ").replace("_", " ").split())


def _singulars(key: str) -> list[str]:
    ends = (("ies", "y"), ("ves", "f"), ("es", ""), ("s", ""))
    return [
        key.removesuffix(end) + new
        for end, new in ends
        if key.endswith(end) and len(key) > len(end) + 2
    ]


@functools.cache
def wordnet() -> WordNet:
    """The table, read once."""
    with np.load(_TABLE) as table:
        num_parents = table["num_parents"]
        return WordNet(
            offsets=table["offsets"],
            starts=np.concatenate([[0], np.cumsum(num_parents, dtype=np.int64)]),
            parents=table["parents"],
            lemmas=tuple(table["lemmas"].tobytes().decode().split("\n")),
            senses=table["senses"],
        )
