"""Put a trained network into the package, as the one that `small` opens.

    seedbed study run docs/studies/shipped-network.toml
    python scripts/ship_network.py BACKBONE

BACKBONE is the folder of the study's arm `all` in its workspace:
docs/studies/shipped-network.study/results.csv names it (backbone_key).
"""

import json
import shutil
import sys
from pathlib import Path

SHIPPED = Path(__file__).parent.parent / "src" / "seedbed" / "models" / "shipped" / "small"
MOST_BYTES = 4_000_000
TERMS = (
    "The weights are seedbed's, under Apache-2.0. They were trained on Tiny ImageNet, a subset of "
    "ImageNet (ILSVRC-2012) whose images are for non-commercial research and education under the "
    "terms of image-net.org; whether weights carry such terms on is not settled, so look at them "
    "before commercial use."
)


def main(folder: Path) -> None:
    SHIPPED.mkdir(parents=True, exist_ok=True)
    for name in ("weights.safetensors", "codes.safetensors"):
        shutil.copyfile(folder / name, SHIPPED / name)
    card = json.loads((folder / "card.json").read_text())
    card |= {
        "name": "small",
        "source": "Tiny ImageNet (200 classes, 64 px)",
        "licence": "Apache-2.0",
        "terms_of_use": TERMS,
    }
    card["made_by"] = "docs/studies/shipped-network.toml and scripts/ship_network.py"
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    assert "/home" not in text and "/work" not in text and "/root" not in text, (
        "the card names a folder of this machine"
    )
    (SHIPPED / "card.json").write_text(text)
    num = sum(p.stat().st_size for p in SHIPPED.iterdir())
    assert num <= MOST_BYTES, f"{num:,} bytes are more than a package should carry"
    top1 = card["source_metrics"]["top1"]
    print(f"{SHIPPED}: {num:,} bytes; top-1 {top1:.1f} % on its source's held-out images")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
