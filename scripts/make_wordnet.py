"""Make the table of WordNet 3.0's nouns that seedbed ships, from the database files of Debian's
`wordnet-base`.

In: a folder with `data.noun` and `index.noun`. Out: `src/seedbed/data/wordnet30.npz`, the same
bytes each time. Kept of each synset: its offset, its lemmas and the sense number of each, its
hypernyms (pointer `@`), sorted by name, `lemma.n.NN` in lower case as NLTK writes it: the first is
the primary parent. An instance (the sun), which has no such hypernym, lies under what it is an
instance of (`@i`).

    apt-get download wordnet-base && dpkg-deb -x wordnet-base_*.deb wn
    python scripts/make_wordnet.py wn/usr/share/wordnet
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

OUT = Path(__file__).resolve().parents[1] / "src/seedbed/data/wordnet30.npz"


def synsets(path: Path) -> dict[int, tuple[list[str], list[int]]]:
    """Offset -> lemmas, hypernyms' offsets."""
    synsets = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):
            continue  # the licence
        words = line.partition(" | ")[0].split()
        num_lemmas = int(words[3], 16)
        lemmas = words[4 : 4 + 2 * num_lemmas : 2]
        place = 4 + 2 * num_lemmas
        pointers = [words[place + 1 + 4 * i : place + 5 + 4 * i] for i in range(int(words[place]))]
        kinds = [
            [int(offset) for kind, offset, part, _ in pointers if kind == pointer and part == "n"]
            for pointer in ("@", "@i")
        ]
        synsets[int(words[0])] = lemmas, kinds[0] or kinds[1]
    return synsets


def senses(path: Path) -> dict[str, list[int]]:
    """Lemma in lower case -> offsets of its synsets, the most frequent sense first."""
    offsets = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("  "):
            words = line.split()
            offsets[words[0]] = [int(offset) for offset in words[-int(words[2]) :]]
    return offsets


def main() -> None:
    folder = Path(sys.argv[1])
    nodes, order = synsets(folder / "data.noun"), senses(folder / "index.noun")
    offsets = sorted(nodes)
    index = {offset: i for i, offset in enumerate(offsets)}
    number = {offset: order[nodes[offset][0][0].lower()].index(offset) + 1 for offset in offsets}
    name = {offset: f"{nodes[offset][0][0].lower()}.n.{number[offset]:02d}" for offset in offsets}
    parents = [
        [index[p] for p in sorted(nodes[offset][1], key=name.__getitem__)] for offset in offsets
    ]
    text = "\n".join(" ".join(nodes[offset][0]) for offset in offsets)
    ranks = [
        [order[lemma.lower()].index(offset) + 1 for lemma in nodes[offset][0]] for offset in offsets
    ]
    with OUT.open("wb") as file:
        np.savez_compressed(
            file,
            offsets=np.array(offsets, np.uint32),
            parents=np.array([p for ps in parents for p in ps], np.uint32),
            num_parents=np.array([len(ps) for ps in parents], np.uint8),
            lemmas=np.frombuffer(text.encode(), np.uint8),
            senses=np.array([r for rs in ranks for r in rs], np.uint8),
        )
    print(f"{OUT}: {len(offsets):,} synsets, {OUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
