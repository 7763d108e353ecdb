"""zero_shot(): class names instead of labels, on tiny CLIP-like networks with random towers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import seedbed as sb
from seedbed.base.errors import BadDataError, UsageError
from seedbed.models.resolve import open_backbone
from seedbed.models.text_tower import text_tower

open_clip = pytest.importorskip("open_clip")

CONFIGS = Path(__file__).parents[1] / "open_clip_configs"
NAME = "seedbed-tiny"
CONFIG = json.loads((CONFIGS / f"{NAME}.json").read_text())


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The call of a tiny network whose weights are in a file."""
    folder = tmp_path_factory.mktemp("clip")
    open_clip.add_model_config(CONFIGS)
    torch.manual_seed(0)
    model = open_clip.create_model(NAME, pretrained=None)
    torch.save(model.state_dict(), folder / "tiny.pt")
    return f"open_clip({NAME!r}, weights={str(folder / 'tiny.pt')!r})"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two kinds of images, in a training and a test split."""
    root, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for split, num in (("train", 12), ("test", 10)):
        for label, level in (("fire_truck", 40), ("tabby", 170)):
            (root / split / label).mkdir(parents=True)
            for i in range(num):
                pixels = rng.integers(level, level + 60, (40, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / label / f"{i}.png")
    return root


def test_the_scores_are_those_of_open_clip(network: str, photos: Path, tmp_path: Path) -> None:
    measured = sb.transfer(
        network,
        photos,
        "zero_shot(prompts=['a photo of a {}.'])",
        out=tmp_path / "model",
        workspace=tmp_path / "ws",
    )
    assert measured.facts["num_train"] == 0
    assert measured.facts["class_names"] == "fire truck, tabby"

    by_hand = open_clip.create_model(NAME, pretrained=None)
    by_hand.load_state_dict(torch.load(network.split("weights='")[1].rstrip("')")))
    by_hand.eval()
    tokens = open_clip.get_tokenizer(NAME)(["a photo of a fire truck.", "a photo of a tabby."])
    [store] = [sb.Store.open(p.parent) for p in (tmp_path / "ws").glob("stores/*/store.json")]
    rows = np.flatnonzero(store.splits == 2)
    net = open_backbone(network)
    pixels = torch.from_numpy(store.pixels[rows]).permute(0, 3, 1, 2).float()
    form = net.preprocessing
    images = (pixels - torch.tensor(form.mean).view(3, 1, 1)) / torch.tensor(form.std).view(3, 1, 1)
    with torch.inference_mode():
        _, _, scale = by_hand(images, tokens)
        features = by_hand.encode_image(images, normalize=True)
        texts = by_hand.encode_text(tokens, normalize=True)
        scores = scale * features @ texts.T
    expected = 100 * float((scores.argmax(1).numpy() == store.leaves[rows]).mean())
    assert measured.metrics["top1"] == pytest.approx(expected)
    assert measured.model is not None
    ours = measured.model.scores(net.images(store, rows))
    assert (ours - scores).abs().max() < 1e-3

    # The saved model holds the class names as a head: it needs no text tower.
    files = [photos / str(i) for i in store.ids[rows]]
    probabilities = scores.softmax(1).max(1).values.numpy()
    predicted = [p.probability for p in sb.predict(tmp_path / "model", files)]
    assert np.allclose(predicted, probabilities, atol=1e-3)


def test_the_image_tower_has_codes_and_probes(network: str, photos: Path, tmp_path: Path) -> None:
    net = open_backbone(network)
    assert net.classes == ()
    assert net.layer().dim == CONFIG["embed_dim"]
    measured = sb.transfer(network, photos, "probe(c=[10.0])", workspace=tmp_path)
    assert measured.metrics["top1"] == 100.0
    with pytest.raises(UsageError, match="as_is.. needs a classifier"):
        sb.transfer(network, photos, "as_is()", workspace=tmp_path)


def test_prompts_are_averaged(network: str) -> None:
    tower = text_tower(open_backbone(network))
    weights = tower.class_weights(["cat", "dog"], ["a {}.", "the {}."])
    texts = tower.embed(["a cat.", "the cat.", "a dog.", "the dog."]).view(2, 2, -1).mean(1)
    expected = texts / texts.norm(dim=1, keepdim=True)
    assert weights.shape == (CONFIG["embed_dim"], 2)
    assert torch.allclose(weights.T, expected, atol=1e-6)
    assert torch.allclose(weights.norm(dim=0), torch.ones(2), atol=1e-5)


def test_advise_compares_class_names_with_labels(
    network: str, photos: Path, tmp_path: Path
) -> None:
    advice = sb.advise(photos, [network], minutes=0.1, workspace=tmp_path)
    methods = {c.method for c in advice.candidates}
    assert "zero_shot()" in methods and any(m.startswith("probe(") for m in methods)
    [candidate] = [c for c in advice.candidates if c.kind == "zero_shot"]
    others = [c for c in advice.candidates if c.kind == "probe"]
    assert set(candidate.images) == set(others[0].images)
    assert advice.winner.kind != "zero_shot"  # random towers know no names


def test_test_images_alone_are_enough(network: str, photos: Path, tmp_path: Path) -> None:
    measured = sb.transfer(network, photos / "test", "zero_shot()", workspace=tmp_path)
    assert measured.num_test >= 4


@pytest.mark.parametrize("label", ["n02084071", "17"])
def test_classes_that_are_numbers_are_refused(
    network: str, label: str, make_tree: Any, tmp_path: Path
) -> None:
    folder = make_tree({label: 4, "dogs": 4})
    with pytest.raises(UsageError, match=f"'{label}' of .* is a number") as caught:
        sb.transfer(network, folder, "zero_shot()", workspace=tmp_path)
    assert "wordnet" in caught.value.hint


def test_other_networks_are_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no text tower") as caught:
        sb.transfer("small", photos, "zero_shot()", workspace=tmp_path)
    assert "open_clip('ViT-B-32'" in caught.value.hint


def test_faults_are_named(network: str, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give one or more texts with {}"):
        sb.transfer(network, photos, "zero_shot(prompts=['a photo'])", workspace=tmp_path)
    with pytest.raises(UsageError, match="unknown open_clip network 'ViT-B-33'"):
        open_backbone("open_clip('ViT-B-33')")
    with pytest.raises(UsageError, match="unknown tag 'openia'"):
        open_backbone("open_clip('ViT-B-32', tag='openia')")
    with pytest.raises(BadDataError, match="no weights of open_clip") as caught:
        open_backbone("open_clip('ViT-B-32')")
    assert (
        "open_clip_model.safetensors" in caught.value.hint or "SEEDBED_WEIGHTS" in caught.value.hint
    )
    tensors = torch.load(network.split("weights='")[1].rstrip("')"))
    images = {name: t for name, t in tensors.items() if name.startswith("visual.")}
    torch.save(images, tmp_path / "visual.pt")
    alone = f"open_clip({NAME!r}, weights={str(tmp_path / 'visual.pt')!r})"
    assert open_backbone(alone).layer().dim == CONFIG["embed_dim"]
    with pytest.raises(BadDataError, match="have no text tower"):
        sb.transfer(alone, photos, "zero_shot()", workspace=tmp_path)


def test_random_weights_are_reproduced(photos: Path, tmp_path: Path, network: str) -> None:
    call = f"open_clip({NAME!r}, weights='random')"
    a = text_tower(open_backbone(call)).embed(["a cat"])
    b = text_tower(open_backbone(call)).embed(["a cat"])
    assert torch.equal(a, b)


def test_the_same_call_gives_the_same_measurement(
    network: str, photos: Path, tmp_path: Path
) -> None:
    net = open_backbone(network)
    before = {name: t.clone() for name, t in net.module.state_dict().items()}
    first, again = (
        sb.transfer(net, photos, "zero_shot()", workspace=tmp_path / folder) for folder in "ab"
    )
    assert dict(first.metrics) == dict(again.metrics)
    assert all(np.array_equal(v, again.predictions[k]) for k, v in first.predictions.items())
    assert all(torch.equal(t, before[name]) for name, t in net.module.state_dict().items())
