"""Measure mean average precision of detections, from boxes to percent, against a loop over classes
and detections as py-faster-rcnn has.

20 classes, 5,000 images, 15,000 boxes of which a fifth is difficult, and 500,000 detections with
distinct scores, every second near a box of its image and class; a tenth as many in the first row.
Both sides judge every detection and take the area under each class's curve (the rule of 2010); they
must agree to 1e-9 of a percent, or the script ends. "A resample" is the mean over 5,000 images
drawn with replacement, once the decisions are there; an interval takes many of them.

Expected numbers: see docs/benchmarks/detection_ap.md. Command: python benchmarks/detection_ap.py
"""

from __future__ import annotations

from dataclasses import dataclass

import measuring
import numpy as np

from seedbed.metrics.average_precision import Decisions
from seedbed.metrics.detection import BoxRows, decisions_of_boxes

NUM_CLASSES, NUM_IMAGES, NUM_TRUTH = 20, 5_000, 15_000
SIZES = (50_000, 500_000)
NUM_RESAMPLES = 20


@dataclass(frozen=True)
class Scene:
    """Boxes that are there and detections."""

    truth: BoxRows
    difficult: np.ndarray
    detected: BoxRows
    scores: np.ndarray


def make_scene(num_found: int) -> Scene:
    """Boxes of 20 to 200 px in images of 500 px; a detection near a box is off by up to 15 px at
    each side."""
    rng = np.random.default_rng(0)

    def places(num: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        corners = rng.integers(0, 300, (num, 2))
        boxes = np.hstack([corners, corners + rng.integers(20, 201, (num, 2))]).astype(np.float64)
        return rng.integers(0, NUM_IMAGES, num), rng.integers(0, NUM_CLASSES, num), boxes

    images, labels, boxes = places(NUM_TRUTH)
    which, near = rng.integers(0, NUM_TRUTH, num_found), rng.random(num_found) < 0.5
    other_images, other_labels, other_boxes = places(num_found)
    shifted = boxes[which] + rng.uniform(-15, 15, (num_found, 4))
    shifted[:, 2:] = np.maximum(shifted[:, 2:], shifted[:, :2])
    detected = BoxRows(
        images=np.where(near, images[which], other_images),
        labels=np.where(near, labels[which], other_labels),
        boxes=np.where(near[:, None], shifted, other_boxes),
    )
    truth = BoxRows(images=images, labels=labels, boxes=boxes)
    return Scene(
        truth, rng.random(NUM_TRUTH) < 0.2, detected, rng.permutation(num_found) / num_found
    )


def decide(scene: Scene) -> Decisions:
    return decisions_of_boxes(
        scene.truth, scene.difficult, scene.detected, scene.scores, NUM_IMAGES, NUM_CLASSES
    )


def loop(scene: Scene) -> float:
    """The other side: a class at a time, the boxes of its images in a dictionary, a detection at a
    time."""
    return float(np.mean([loop_of_class(scene, c) for c in range(NUM_CLASSES)]))


def loop_of_class(scene: Scene, which: int) -> float:
    """Percent of one class: NumPy compares each detection with the boxes of its image."""
    rows = np.flatnonzero(scene.truth.labels == which)
    there: dict[int, list[int]] = {}
    for row in rows.tolist():
        there.setdefault(int(scene.truth.images[row]), []).append(row)
    boxes = {image: scene.truth.boxes[rows] for image, rows in there.items()}
    difficult = {image: scene.difficult[rows] for image, rows in there.items()}
    is_matched = {image: np.zeros(len(rows), bool) for image, rows in there.items()}
    claims = np.flatnonzero(scene.detected.labels == which)
    claims = claims[np.argsort(-scene.scores[claims])]
    right, wrong = np.zeros(len(claims)), np.zeros(len(claims))
    for i, row in enumerate(claims):
        image, box = int(scene.detected.images[row]), scene.detected.boxes[row]
        most, best = -1.0, 0
        if image in boxes:
            others = boxes[image]
            width = np.maximum(
                np.minimum(others[:, 2], box[2]) - np.maximum(others[:, 0], box[0]) + 1, 0
            )
            height = np.maximum(
                np.minimum(others[:, 3], box[3]) - np.maximum(others[:, 1], box[1]) + 1, 0
            )
            shared = width * height
            areas = (others[:, 2] - others[:, 0] + 1) * (others[:, 3] - others[:, 1] + 1)
            each = shared / ((box[2] - box[0] + 1) * (box[3] - box[1] + 1) + areas - shared)
            best = int(np.argmax(each))
            most = each[best]
        if most <= 0.5:
            wrong[i] = 1
        elif not difficult[image][best]:
            right[i], wrong[i] = not is_matched[image][best], is_matched[image][best]
            is_matched[image][best] = True
    return area(np.cumsum(right), np.cumsum(wrong), int((~scene.difficult[rows]).sum()))


def area(right: np.ndarray, wrong: np.ndarray, num_positives: int) -> float:
    """Under the curve of the best precision at each recall or a higher one, in percent."""
    recall = np.concatenate([[0.0], right / num_positives, [1.0]])
    precision = np.concatenate([[0.0], right / np.maximum(right + wrong, 1), [0.0]])
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(100 * (np.diff(recall) * precision[1:]).sum())


def compare(num_found: int, num_rounds: int) -> dict[str, list[float]]:
    """Seconds of both in each round, the order alternating, their ratio, and seconds of
    resamples."""
    scene = make_scene(num_found)
    from_seedbed, from_loop = [], []
    sides = {
        "seedbed": lambda: from_seedbed.append(decide(scene).mean("voc10")),
        "loop": lambda: from_loop.append(loop(scene)),
    }
    results = measuring.alternate(sides, num_rounds)
    if abs(from_seedbed[0] - from_loop[0]) > 1e-9:
        raise SystemExit(f"the sides differ: {from_seedbed[0]} and {from_loop[0]}")
    decisions, rng = decide(scene), np.random.default_rng(1)
    decisions.mean("voc10")  # sorts each class, once for all resamples
    drawn = rng.integers(0, NUM_IMAGES, (NUM_RESAMPLES, NUM_IMAGES))
    return results | {
        "ratio": [t / o for o, t in zip(results["seedbed"], results["loop"], strict=True)],
        "resample": [
            measuring.seconds_of(lambda row=row: decisions.mean("voc10", row)) for row in drawn
        ],
        "mean_ap": [from_seedbed[0]],
    }


def main() -> None:
    """A row for each number of detections."""
    parser = measuring.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    arguments.threads = 1  # neither side uses more
    record, cases, rows = measuring.identity(arguments), [], []
    measuring.confine(1)
    for num_found in SIZES:
        results = compare(num_found, arguments.rounds)
        cases.append({"num_found": num_found, **results})
        rows.append(
            {
                "detections": f"{num_found:,}",
                "seedbed, s": measuring.spread(results["seedbed"], ".3f"),
                "loop, s": measuring.spread(results["loop"]),
                "ratio": measuring.spread(results["ratio"], ".1f"),
                "a resample, ms": measuring.spread([1000 * s for s in results["resample"]], ".1f"),
                "mean AP, %": f"{results['mean_ap'][0]:.2f}",
            }
        )
        print(rows[-1], flush=True)
    measuring.publish(arguments, record, rows, cases=cases)


if __name__ == "__main__":
    main()
