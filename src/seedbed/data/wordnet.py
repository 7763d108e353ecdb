"""The nouns of WordNet 3.0: synsets, their words and their hypernyms.

In: synset ids (`n02084071`), names (`dog.n.01`) or plain words ("dog"). Out: the hierarchy above
them, and the meanings of a word.
`scripts/make_wordnet.py` makes the table that comes with seedbed; its licence is in this folder.
Of several hypernyms the first by name is the primary parent, as in Huh, Agrawal and Efros (2016).
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
    """Synsets, identified by their position in the table, which is sorted by offset."""

    offsets: np.ndarray  # uint32 [n]
    starts: np.ndarray  # int64 [n + 1], into parents
    parents: np.ndarray  # uint32 [m], positions of hypernyms, the primary one first
    lemmas: tuple[str, ...]  # of each synset, separated by spaces, words joined by "_"
    # uint8, one for each lemma of each synset: number of the meaning, 1 for the most frequent one
    senses: np.ndarray

    def position(self, synset: str) -> int:
        """The position of an id or a name; raises UsageError if WordNet does not have it."""
        if _ID.fullmatch(synset):
            offset = int(synset[1:])
            position = int(np.searchsorted(self.offsets, offset))
            if position < len(self.offsets) and self.offsets[position] == offset:
                return position
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
                f"{word!r} may be: {meanings}." if meanings else self._suggest(word),
            )
        raise UsageError(f"{synset!r} is not a synset", "Write n02084071, or dog.n.01.")

    def id(self, position: int) -> str:
        return f"n{self.offsets[position]:08d}"

    def name(self, position: int) -> str:
        """`dog.n.01`: the first lemma in lower case, and the number of its meaning."""
        return self._names[position]

    def words(self, position: int) -> str:
        """`dog, domestic dog, Canis familiaris`."""
        return self.lemmas[position].replace(" ", ", ").replace("_", " ")

    def hypernym_word(self, position: int) -> str:
        """The first word of the primary hypernym; empty for the root."""
        parents = self.parents[self.starts[position] : self.starts[position + 1]]
        return self.words(int(parents[0])).partition(",")[0] if len(parents) else ""

    def meanings(self, word: str) -> list[int]:
        """Synsets of a word, the most frequent meaning first.

        Case, "_" and "-" do not matter. If the word is unknown, it is read as a plural.
        """
        key = _key(word)
        candidates = (self._by_word.get(k) for k in (key, *_singulars(key)))
        return [i for _, i in sorted(next(filter(None, candidates), []))]

    def hierarchy(self, leaves: Iterable[str]) -> Hierarchy:
        """The hierarchy above these synset ids; its nodes are ids, and its names their words."""
        pending = [self.position(leaf) for leaf in leaves]
        hypernyms: dict[int, np.ndarray] = {}
        while pending:
            i = pending.pop()
            if i not in hypernyms:
                hypernyms[i] = self.parents[self.starts[i] : self.starts[i + 1]]
                pending += hypernyms[i].tolist()
        parents = {self.id(i): tuple(map(self.id, ps)) for i, ps in hypernyms.items() if len(ps)}
        return Hierarchy(parents, names={self.id(i): self.words(i) for i in hypernyms})

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
        """Word -> (number of the meaning, position of the synset)."""
        synsets: dict[str, list[tuple[int, int]]] = {}
        senses = iter(self.senses.tolist())
        for i, text in enumerate(self.lemmas):
            for lemma in text.lower().replace("-", "_").split(" "):
                synsets.setdefault(lemma, []).append((next(senses), i))
        return synsets

    def _suggest(self, word: str) -> str:
        near = nearest(_key(word), [k for k in self._by_word if k[:2] == _key(word)[:2]])
        return f"Did you mean {near!r}?" if near else "WordNet does not know the word."


def is_synset(text: str) -> bool:
    """Whether a text has the form of a synset's id or name; WordNet may not have it."""
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
