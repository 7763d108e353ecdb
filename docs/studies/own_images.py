"""What is known of advice: regret, transferability scores, similarity of known pairs, adaptation.
Tables go to stdout, in Markdown.

    python docs/studies/own_images.py shift DATA OUT                  # make the shifted copies:
    night/ of cifar10/, coloured digits python docs/studies/own_images.py similarity DATA NETWORKS
    python docs/studies/own_images.py scores DATA NETWORKS
    python docs/studies/own_images.py regret DATA NETWORKS [MINUTES]
    python docs/studies/own_images.py adaptation DATA NETWORKS

DATA holds tiny-imagenet-200/, cifar10/, hymenoptera/ as distributed, and cells/ (voc_crops.py);
NETWORKS a folder per network, named as the arms of networks-for-advice.toml. Everything is packed
into the workspace that SEEDBED_WORKSPACE names.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.stats import kendalltau

import seedbed as sb
from seedbed.base.artifacts import Workspace
from seedbed.engine.data_spec import read_task
from seedbed.engine.opening import load_task, open_backbone_for, open_store
from seedbed.models.codes import codes, logits
from seedbed.readout.similarity import similarity
from seedbed.readout.transferability import h_score, knn_accuracy, leep, logme, nce
from seedbed.transfers.methods import METHODS

KEPT_OUT = (
    *("n01882714", "n02099601", "n02236044", "n02321529", "n02802426", "n02837789", "n02843684"),
    *("n02948072", "n03026506", "n03617480", "n03814639", "n03838899", "n03854065", "n03891332"),
    *("n03977966", "n04074963", "n04099969", "n04118538", "n04507155", "n07871810"),
)
RACED = ("all", "coarse", "animals", "noise")
RATES, SEEDS = "[0.03, 0.1, 0.3]", (0, 1, 2)


def targets(data: Path) -> dict[str, str]:
    recipe = f'recipe="classes(names={KEPT_OUT})"'
    kept_out = f"tiny_imagenet('{data}/tiny-imagenet-200', {recipe}, train_per_class="
    return {
        "hymenoptera": f"folder('{data}/hymenoptera')",
        "CIFAR-10, 5 a class": f"folder('{data}/cifar10', train_per_class=5)",
        "CIFAR-10, 50 a class": f"folder('{data}/cifar10', train_per_class=50)",
        "CIFAR-10, 500 a class": f"folder('{data}/cifar10', train_per_class=500)",
        "cells, 20 a class": f"folder('{data}/cells', train_per_class=20)",
        "digits": "digits()",
        "kept-out classes, 10 each": f"{kept_out}10)",
        "kept-out classes, 100 each": f"{kept_out}100)",
    }


def table(head: list[str], rows: list[list[object]]) -> None:
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print(
            "| " + " | ".join(f"{v:.2f}" if isinstance(v, float) else str(v) for v in row) + " |",
            flush=True,
        )


def networks(folder: Path, names: tuple[str, ...] = ()) -> dict[str, Path]:
    return {p.name: p for p in sorted(folder.iterdir()) if not names or p.name in names}


def run_similarity(data: Path, folder: Path) -> None:
    """Where known pairs lie on the scale: 0 is the network's source, 1 handwritten digits."""
    from safetensors.numpy import load_file

    sets = {
        name: open_store(f"{data}/{name}", 32, Workspace.at(None))
        for name in ("tiny-imagenet-200", "cifar10", "hymenoptera", "cells")
    }
    sets |= {name: open_store(name, 32, Workspace.at(None)) for name in ("toy()", "digits()")}
    tiny = sets["tiny-imagenet-200"]
    held_out = np.flatnonzero(tiny.splits == 2)
    is_new = np.isin(tiny.leaves[held_out], [tiny.classes.index(c) for c in KEPT_OUT])
    rows_of = {name: np.arange(store.num_images) for name, store in sets.items()}
    rows_of["tiny-imagenet-200"] = held_out[~is_new]
    rows = []
    for name, path in networks(folder).items():
        net = open_backbone_for(path, None, device="cpu")
        source = torch.from_numpy(load_file(path / "codes.safetensors")["codes"]).float()

        def of(which: str, chosen: np.ndarray, net=net) -> torch.Tensor:
            few = np.sort(np.random.default_rng(0).permutation(chosen)[:1500])
            return codes(net, net.images(sets[which], few))

        far = of("digits()", rows_of["digits()"][:256])
        similarities = [
            similarity(source[::2], source[1::2], far),
            similarity(source, of("tiny-imagenet-200", held_out[is_new]), far),
        ]
        similarities += [
            similarity(source, of(which, rows_of[which]), far)
            for which in sets
            if which != "digits()"
        ]
        rows.append([name, *(f"{s.position:.2f} ({s.proxy_a_distance:.2f})" for s in similarities)])
    table(
        [
            "network",
            "its own codes, split",
            "kept-out classes",
            *(s for s in sets if s != "digits()"),
        ],
        rows,
    )


def scores_of(net, task) -> dict[str, float]:
    images, labels = net.images(task.store, task.known), torch.from_numpy(task.labels(task.known))
    values, class_scores = codes(net, images), logits(net, images)
    return {
        "LogME": logme(values, labels),
        "H-score": h_score(values, labels),
        "k-NN": knn_accuracy(values, labels),
        "LEEP": leep(torch.softmax(class_scores, 1), labels),
        "NCE": nce(class_scores.argmax(1), labels),
    }


def run_scores(data: Path, folder: Path) -> None:
    """Kendall's tau of each score against measured accuracy over the networks, with a bootstrap
    interval over networks and targets."""
    chosen = (
        "hymenoptera",
        "CIFAR-10, 50 a class",
        "cells, 20 a class",
        "digits",
        "kept-out classes, 100 each",
    )
    measures = {
        "linear": "probe()",
        "fine-tuned": "finetune(images_seen=20_000, learning_rates=[0.1], batch_size=32)",
    }
    scores: dict[str, dict[str, list[float]]] = {}
    for target in chosen:
        spec = read_task(targets(data)[target])
        for path in networks(folder).values():
            net = open_backbone_for(path, None, device="cpu")
            store = open_store(spec, net.preprocessing.store_px, Workspace.at(None))
            task = load_task(spec.task_call(store), store, METHODS.make("probe()"), 0)
            row = scores_of(net, task)
            row |= {
                name: sb.transfer(net, targets(data)[target], m).metrics["top1"]
                for name, m in measures.items()
            }
            for name, value in row.items():
                scores.setdefault(target, {}).setdefault(name, []).append(value)
        print(f"{target}: {scores[target]}", file=sys.stderr, flush=True)
    for measure in measures:
        print(f"\nAgainst {measure} accuracy, {len(networks(folder))} networks:\n")
        names = [n for n in scores[chosen[0]] if n not in measures]
        rows = [
            [
                name,
                *(float(kendalltau(scores[t][name], scores[t][measure]).statistic) for t in chosen),
                mean_tau(scores, name, measure),
            ]
            for name in names
        ]
        table(["score", *chosen, "mean (95 % interval)"], rows)


def mean_tau(scores: dict, name: str, measure: str) -> str:
    """Over targets; networks and targets are both drawn anew."""
    generator, targets_ = np.random.default_rng(0), list(scores)
    num = len(scores[targets_[0]][name])

    def mean(which: np.ndarray, of: np.ndarray) -> float:
        taus = [
            kendalltau(
                np.array(scores[targets_[t]][name])[which],
                np.array(scores[targets_[t]][measure])[which],
            ).statistic
            for t in of
        ]
        return float(np.nanmean(taus))

    every = mean(np.arange(num), np.arange(len(targets_)))
    draws = [
        mean(
            generator.integers(num, size=num), generator.integers(len(targets_), size=len(targets_))
        )
        for _ in range(500)
    ]
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{every:.2f} ({low:.2f} to {high:.2f})"


def run_regret(data: Path, folder: Path, minutes: float = 3.0) -> None:
    """Regret in points of test accuracy: of the recommendation, and of the cs231n rule of thumb,
    against the best candidate in hindsight."""
    rows, all_regrets = [], []
    for target, call in targets(data).items():
        named = {str(path): path for path in networks(folder, RACED).values()}
        advice = sb.advise(call, list(named), minutes=minutes)
        net = {name: open_backbone_for(path, None, device="cpu") for name, path in named.items()}
        on_test: dict[tuple[str, str], float] = {}
        for entry in advice.candidates:
            if not entry.is_preliminary:
                on_test[entry.backbone, entry.method] = sb.transfer(
                    net[entry.backbone], call, entry.method
                ).metrics["top1"]
        best = max(on_test, key=lambda key: on_test[key])
        recommended, rule = (
            on_test[advice.winner.backbone, advice.winner.method],
            advice.rule.method,
        )
        by_rule = on_test.get((advice.winner.backbone, rule)) if rule else None
        regrets = (
            on_test[best] - recommended,
            None if by_rule is None else on_test[best] - by_rule,
        )
        all_regrets.append(regrets)
        low, high = advice.expected.interval
        rows.append(
            [
                target,
                f"{advice.scenario.size}, {advice.scenario.similarity}",
                f"{Path(advice.winner.backbone).name} {advice.winner.method}",
                f"{advice.expected.value:.1f} ({low:.1f} to {high:.1f})",
                recommended,
                f"{Path(best[0]).name} {best[1]}: {on_test[best]:.1f}",
                regrets[0],
                "not measured" if regrets[1] is None else f"{regrets[1]:.2f}",
                "; ".join(
                    f"{Path(n.backbone).name} {n.verdict} {n.difference or 0:+.1f}"
                    for n in advice.negative_transfer
                ),
                f"{advice.seconds:.0f}",
            ]
        )
        print(rows[-1], file=sys.stderr, flush=True)
    head = [
        "target",
        "scenario",
        "recommended",
        "expected",
        "test",
        "best in hindsight",
        "regret",
        "rule's regret",
        "negative",
        "s",
    ]
    table(head, rows)
    ruled = [b for _, b in all_regrets if b is not None]
    mean = np.mean([a for a, _ in all_regrets])
    of_rule = f"{np.mean(ruled):.2f} where it was measured ({len(ruled)})"
    print(f"\nMean regret {mean:.2f}; of the rule {of_rule}.")


def run_shift(data: Path, out: Path) -> None:
    """night/: CIFAR-10 darkened, noisy, blue; ink/ and coloured/: scikit-learn's digits, and the
    same inverted and in random colours."""
    generator = np.random.default_rng(0)
    for split, most in (("train", 500), ("test", 200)):
        for folder in sorted((data / "cifar10" / split).iterdir()):
            for path in sorted(folder.iterdir())[:most]:
                pixels = np.asarray(Image.open(path).convert("RGB"), np.float64)
                dark = 0.5 * pixels * np.array([0.6, 0.7, 1.2]) + generator.normal(
                    0, 8, pixels.shape
                )
                for name, image in (("day", pixels), ("night", dark)):
                    save(image, out / name / split / folder.name / f"{path.stem}.png")
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    for i, (flat, label) in enumerate(zip(images, labels, strict=True)):
        split = "test" if i % 5 == 0 else "train"
        grey = np.asarray(
            Image.fromarray((flat.reshape(8, 8) * 15.9).astype(np.uint8)).resize((32, 32)),
            np.float64,
        )[..., None]
        colour, paper = generator.uniform(0, 120, 3), generator.uniform(130, 255, 3)
        save(np.repeat(grey, 3, axis=2), out / "ink" / split / str(label) / f"{i:04d}.png")
        save(
            paper + (colour - paper) * grey / 255,
            out / "coloured" / split / str(label) / f"{i:04d}.png",
        )


def save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


def run_adaptation(data: Path, folder: Path) -> None:
    """Source only, CORAL, deep CORAL, DANN, and the bound with the target's labels; mean and
    standard deviation over three seeds."""
    net = open_backbone_for(folder / "all", None, device="cpu")
    how = f"images_seen=30_000, learning_rates={RATES}"
    rows = []
    for labelled, target in (("day", "night"), ("ink", "coloured")):
        call = f"folder('{data}/{target}', labelled='{data}/{labelled}')"
        methods = {
            "source only": (call, f"adapt(kind='source_only', {how})"),
            "CORAL (linear)": (call, "adapt(kind='coral')"),
            "source only (linear)": (call, "probe()"),
            "deep CORAL": (call, f"adapt(kind='deep_coral', {how})"),
            "DANN": (call, f"adapt(kind='dann', {how})"),
            "target's labels": (f"folder('{data}/{target}')", f"finetune({how})"),
            "in its own domain": (f"folder('{data}/{labelled}')", f"finetune({how})"),
        }
        for name, (task, method) in methods.items():
            values = [sb.transfer(net, task, method, seed=seed).metrics["top1"] for seed in SEEDS]
            rows.append(
                [
                    f"{labelled} to {target}",
                    name,
                    f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}",
                ]
            )
            print(rows[-1], file=sys.stderr, flush=True)
    table(["domains", "method", "top-1, %"], rows)


if __name__ == "__main__":
    torch.set_num_threads(1)
    what, *places = sys.argv[1:]
    run = {
        "similarity": run_similarity,
        "scores": run_scores,
        "regret": run_regret,
        "shift": run_shift,
        "adaptation": run_adaptation,
    }
    run[what](*(float(p) if p.replace(".", "").isdigit() else Path(p) for p in places))
