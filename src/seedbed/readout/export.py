"""Export: a model for other software, and how well it agrees with the original.

In: a model and a format. Out: files, and the largest difference between the two on random images.
`onnx` and `torch-export` hold
the whole model: pixels float32 [b, 3, h, w] in 0..255 go in, class scores [b, K] and probabilities
    [b, K] come out; what the
classes are called stands beside, in a JSON file beside it, model.onnx.json. `timm` is a folder that
`timm.create_model("local-dir:FOLDER", pretrained=True)` loads, for networks of timm's whose own
head is the model's: pixels are normalised outside there, and class scores come out.
"""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from seedbed.base.artifacts import atomic_file, atomic_folder, write_json
from seedbed.base.call import parse_call
from seedbed.base.errors import UsageError, unknown
from seedbed.data.decode import RULES
from seedbed.readout.model import Model

_NUM_CHECKED = 4
_TRACED = 2  # images in the batch that the program is recorded with


class _FromPixels(nn.Module):
    """Preprocessing, model and calibration in one."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = copy.deepcopy(model.module()).cpu().eval()
        self.register_buffer(
            "mean", torch.tensor(model.backbone.preprocessing.mean).view(1, 3, 1, 1)
        )
        self.register_buffer("std", torch.tensor(model.backbone.preprocessing.std).view(1, 3, 1, 1))
        self.temperature, self.several = model.temperature, model.several

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores = self.model((pixels - self.mean) / self.std)
        warmed = scores / self.temperature
        return scores, torch.sigmoid(warmed) if self.several else torch.softmax(warmed, 1)


def export_model(model: Model, out: Path, kind: str) -> float:
    """Write the model as `kind`; the largest absolute difference from the original on random
    images, of scores and probabilities.

    Raises UsageError for an unknown format, a path that is taken, a package that is not installed,
    a model that the format cannot hold.
    """
    if kind not in FORMATS:
        raise unknown("export format", kind, FORMATS)
    for taken in (out, beside(out)):
        if taken.exists():
            raise UsageError(
                f"{taken} exists", "Name another place, or remove it; nothing there was touched."
            )
    out.parent.mkdir(parents=True, exist_ok=True)
    return FORMATS[kind](model, out)


def beside(out: Path) -> Path:
    """Where it stands what goes in and comes out: model.onnx.json."""
    return out.with_name(f"{out.name}.json")


def _sample(model: Model, num: int) -> torch.Tensor:
    side = model.backbone.size_px
    values = np.random.default_rng(0).integers(0, 256, (num, 3, side, side))
    return torch.from_numpy(values.astype(np.float32))


def _original(whole: nn.Module, pixels: torch.Tensor) -> list[torch.Tensor]:
    with torch.inference_mode():
        return list(whole(pixels))


def _program(model: Model) -> tuple[_FromPixels, Any]:
    """The whole as a module and as a recorded program with a free batch size."""
    whole = _FromPixels(model).eval()
    for parameter in whole.parameters():
        parameter.requires_grad_(False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own making
        batch = torch.export.Dim("batch", min=1, max=4096)
        sample = _sample(model, _TRACED)
        program = torch.export.export(
            whole, (sample,), dynamic_shapes={"pixels": {0: batch}}, strict=False
        )
    return whole, program


def _describe(model: Model, out: Path, names: list[str]) -> None:
    """What goes in and comes out, beside the file."""
    preprocessing = model.backbone.preprocessing
    with atomic_file(beside(out)) as aside:
        write_json(
            aside,
            {
                "input": f"float32 [batch, 3, {model.backbone.size_px}, {model.backbone.size_px}], RGB, 0..255, not normalised",
                "resize": f"to {preprocessing.store_px} px, antialiased bilinear ({RULES[model.card.get('fit', 'crop')]}), JPEG decoded "
                f"at the smallest eighth of its size that is not below that (Pillow: image.draft('RGB', ({preprocessing.store_px}, "
                f"{preprocessing.store_px}))), turned as EXIF says; of that the centre {preprocessing.size_px} px",
                "outputs": names,
                "classes": list(model.classes),
                "names": model.card.get("names", {}),
                "metrics": model.card.get("metrics"),
                "num_test": model.card.get("num_test"),
                "method": model.card.get("method"),
            },
        )


def _torch_export(model: Model, out: Path) -> float:
    whole, program = _program(model)
    with atomic_file(out) as aside, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with aside.open("wb") as file:
            torch.export.save(program, file)
        with aside.open("rb") as file:
            loaded = torch.export.load(file).module()
        pixels = _sample(model, _NUM_CHECKED)
        difference = _difference(_original(whole, pixels), list(loaded(pixels)))
    _describe(model, out, ["scores", "probabilities"])
    return difference


def _onnx(model: Model, out: Path) -> float:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  what torch writes ONNX with
    except ImportError as error:
        raise UsageError(
            f"ONNX needs the package {error.name}",
            "Install what it needs: pip install onnx onnxruntime onnxscript; or --format torch-export, which needs nothing more.",
        ) from None
    whole, program = _program(model)
    with atomic_file(out) as aside, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.onnx.export(
            program,
            input_names=["pixels"],
            output_names=["scores", "probabilities"],
            dynamo=True,
            verbose=False,
        )
        assert made is not None
        made.save(str(aside), external_data=False)
        session = onnxruntime.InferenceSession(str(aside), providers=["CPUExecutionProvider"])
        pixels = _sample(model, _NUM_CHECKED)
        found = [
            torch.from_numpy(np.asarray(o)) for o in session.run(None, {"pixels": pixels.numpy()})
        ]
        difference = _difference(_original(whole, pixels), found)
    _describe(model, out, ["scores", "probabilities"])
    return difference


def _timm(model: Model, out: Path) -> float:
    import timm

    name = _timm_name(model)
    preprocessing = model.backbone.preprocessing
    config: dict[str, Any] = {
        "architecture": name.partition(".")[0],
        "num_classes": len(model.classes),
        "pretrained_cfg": {
            "input_size": [3, preprocessing.size_px, preprocessing.size_px],
            "crop_pct": preprocessing.crop,
            "interpolation": "bilinear",
            "mean": [m / 255 for m in preprocessing.mean],
            "std": [s / 255 for s in preprocessing.std],
            "num_classes": len(model.classes),
        },
        "label_names": list(model.classes),
        "seedbed": {
            "preprocessing": dataclasses.asdict(preprocessing),
            "temperature": model.temperature,
        },
    }
    from safetensors.torch import save_file

    tensors = {
        n: t.detach().cpu().contiguous() for n, t in model.backbone.module.state_dict().items()
    }
    with atomic_folder(out) as aside:
        save_file(tensors, aside / "model.safetensors")
        write_json(aside / "config.json", config)
    loaded = timm.create_model(f"local-dir:{out.resolve()}", pretrained=True).eval()
    sample = (_sample(model, _NUM_CHECKED) - 127.5) / 64
    module = copy.deepcopy(model.backbone.module).cpu().eval()
    with torch.inference_mode():
        return _difference([module(sample)], [loaded(sample)])


def _timm_name(model: Model) -> str:
    """The name of the network in timm; raises UsageError where the model is none of timm's."""
    if model.head is not None:
        raise UsageError(
            "a readout on codes is no network of timm's, whose last layer reads codes that are not normalised",
            "Fine-tune, be it the last layer alone: finetune(stages=0); or --format onnx, which holds any model.",
        )
    call = parse_call(model.backbone.architecture, "backbone")
    if call.name == "timm":
        return str(call.args[0] if call.args else call.kwargs["name"])
    name = getattr(model.backbone.module, "pretrained_cfg", {}).get("architecture")
    if not name:
        raise UsageError(
            f"{model.backbone.architecture} is no network of timm's",
            "Use --format onnx or torch-export.",
        )
    return str(name)


def _difference(a: list[torch.Tensor], b: list[torch.Tensor]) -> float:
    return max(float((x - y.to(x)).abs().max()) for x, y in zip(a, b, strict=True))


FORMATS: dict[str, Callable[[Model, Path], float]] = {
    "onnx": _onnx,
    "torch-export": _torch_export,
    "timm": _timm,
}
