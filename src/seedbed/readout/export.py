"""Export a model for other software.

In: a model and a format. Out: files, and the largest difference from the original on random images.
`onnx` and `torch-export` hold the whole model: from pixels float32 [b, 3, h, w] in 0..255 to class
scores [b, K] and probabilities [b, K]. Two files lie next to it: model.onnx.json describes inputs,
outputs and classes, and model_load_image.py decodes images as `predict` does. `timm` is a folder
for `timm.create_model("local-dir:FOLDER", pretrained=True)`, for timm networks whose last layer is
the head: from normalised pixels to class scores.
"""

from __future__ import annotations

import copy
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
from seedbed.data import decode
from seedbed.readout.model import Model

_NUM_CHECKED = 4  # images that the export is compared on
_NUM_TRACED = 2  # images in the batch that is traced
# The end of the decoder that lies beside an export; before it comes `seedbed.data.decode`.
_LOADER = '''

# The settings of the model that this file lies beside.
STORE_PX, SIZE_PX = {store_px}, {size_px}
FIT: Fit = "{fit}"
WHITE: float | None = {white}


def load_image(path: str) -> np.ndarray:
    """Read an image file as the model takes it: float32 [3, SIZE_PX, SIZE_PX], RGB 0..255.

    Raises ValueError for a file that is not an image that can be read.
    """
    with open(path, "rb") as file:
        pixels = decode(file.read(), STORE_PX, FIT, WHITE)[0]
    start = (STORE_PX - SIZE_PX) // 2
    centre = pixels[start : start + SIZE_PX, start : start + SIZE_PX]
    return np.ascontiguousarray(centre.transpose(2, 0, 1), dtype=np.float32)
'''
_SUFFIXES = {".onnx": "onnx", ".pt2": "torch-export"}


class _FromPixels(nn.Module):
    """Normalisation, model and calibration as one module."""

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
        scaled = scores / self.temperature
        return scores, torch.sigmoid(scaled) if self.several else torch.softmax(scaled, 1)


def export_model(model: Model, out: Path, kind: str) -> float:
    """Write a model in the format `kind`, and return the largest absolute difference of scores and
    probabilities from the original, on random images.

    Raises UsageError for an unknown format, an existing path, a missing package, or a model that
    the format cannot represent.
    """
    if kind not in FORMATS:
        raise unknown("export format", kind, FORMATS)
    existing = [path for path in (out, description_path(out)) if path.exists()]
    loader = loader_path(out)
    # model.onnx and model.pt2 of one model share their decoder.
    if kind != "timm" and loader.exists() and loader.read_bytes() != _loader_text(model).encode():
        existing.append(loader)
    if existing:
        raise UsageError(
            f"{existing[0]} exists", "Give another path, or remove it; nothing was changed."
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    return FORMATS[kind](model, out)


def export_format(out: Path, kind: str | None = None) -> str:
    """The format of an export: the one that is named, else that of the suffix of its path.

    Raises UsageError for an unknown format, a suffix of no format, and a suffix of another format
    than the one that is named.
    """
    if kind is not None and kind not in FORMATS:
        raise unknown("export format", kind, FORMATS)
    of_suffix = _SUFFIXES.get(out.suffix.lower())
    if kind is None and of_suffix is None:
        raise UsageError(
            f"{out} does not say which format to write",
            "Give it the suffix .onnx or .pt2; or name the format: --format onnx, torch-export, "
            "or timm (a folder).",
        )
    if kind and of_suffix and kind != of_suffix:
        raise UsageError(
            f"{out} is a name for the format {of_suffix}, and the format is {kind}",
            "Change one of them.",
        )
    return kind or str(of_suffix)


def description_path(out: Path) -> Path:
    """Path of the JSON file with inputs, outputs and classes: model.onnx.json."""
    return out.with_name(f"{out.name}.json")


def loader_path(out: Path) -> Path:
    """Path of the decoder beside an export: model_load_image.py."""
    return out.with_name(f"{out.stem}_load_image.py")


def _sample(model: Model, num: int) -> torch.Tensor:
    side = model.backbone.size_px
    values = np.random.default_rng(0).integers(0, 256, (num, 3, side, side))
    return torch.from_numpy(values.astype(np.float32))


def _original(whole: nn.Module, pixels: torch.Tensor) -> list[torch.Tensor]:
    with torch.inference_mode():
        return list(whole(pixels))


def _program(model: Model) -> tuple[_FromPixels, Any]:
    """The model as a module, and as an exported program with a dynamic batch size."""
    whole = _FromPixels(model).eval()
    for parameter in whole.parameters():
        parameter.requires_grad_(False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # internal warnings of torch.export
        batch = torch.export.Dim("batch", min=1, max=4096)
        sample = _sample(model, _NUM_TRACED)
        program = torch.export.export(
            whole, (sample,), dynamic_shapes={"pixels": {0: batch}}, strict=False
        )
    return whole, program


def _loader_text(model: Model) -> str:
    """The decoder of `predict` as one file, with the settings of a model."""
    preprocessing = model.backbone.preprocessing
    settings = _LOADER.format(
        store_px=preprocessing.store_px,
        size_px=preprocessing.size_px,
        fit=model.card.get("fit", "crop"),
        white=model.card.get("white"),
    )
    return Path(decode.__file__).read_text(encoding="utf-8") + settings


def _describe(model: Model, out: Path, names: list[str]) -> None:
    """Write the JSON file that describes an export."""
    preprocessing = model.backbone.preprocessing
    size_px, store_px = model.backbone.size_px, preprocessing.store_px
    fit, loader = model.card.get("fit", "crop"), loader_path(out)
    with atomic_file(loader) as aside:
        aside.write_text(_loader_text(model), encoding="utf-8")
    with atomic_file(description_path(out)) as aside:
        write_json(
            aside,
            {
                "input": f"float32 [batch, 3, {size_px}, {size_px}], RGB, 0..255, not normalised",
                "resize": f"to {store_px} px ({decode.describe_fit(fit)}), of that the centre "
                f"{size_px} px: by load_image() in {loader.name}",
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
        import onnxscript  # noqa: F401  torch needs it to write ONNX
    except ImportError as error:
        raise UsageError(
            f"ONNX needs the package {error.name}",
            "Install: pip install onnx onnxruntime onnxscript; or use --format torch-export, which "
            "needs no other package.",
        ) from None
    whole, program = _program(model)
    with atomic_file(out) as aside, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.onnx.export(
            program,
            input_names=["pixels"],
            output_names=["scores", "probabilities"],
            dynamo=True,
            verbose=False,
        )
        assert exported is not None
        exported.save(str(aside), external_data=False)
        session = onnxruntime.InferenceSession(str(aside), providers=["CPUExecutionProvider"])
        pixels = _sample(model, _NUM_CHECKED)
        outputs = session.run(None, {"pixels": pixels.numpy()})
        tensors = [torch.from_numpy(np.asarray(output)) for output in outputs]
        difference = _difference(_original(whole, pixels), tensors)
    _describe(model, out, ["scores", "probabilities"])
    return difference


def _timm(model: Model, out: Path) -> float:
    import timm

    name = _timm_name(model)
    preprocessing = model.backbone.preprocessing
    config: dict[str, Any] = {
        "architecture": name.partition(".")[0],
        "num_classes": len(model.classes),
        **_image_size(name, preprocessing.size_px),
        "pretrained_cfg": {
            "input_size": [3, preprocessing.size_px, preprocessing.size_px],
            "crop_pct": preprocessing.crop,
            "interpolation": preprocessing.interpolation,
            "mean": [m / 255 for m in preprocessing.mean],
            "std": [s / 255 for s in preprocessing.std],
            "num_classes": len(model.classes),
        },
        "label_names": list(model.classes),
        "seedbed": {
            "preprocessing": preprocessing.to_dict(),
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
        loaded = timm.create_model(f"local-dir:{aside.resolve()}", pretrained=True).eval()
        sample = (_sample(model, _NUM_CHECKED) - 127.5) / 64
        module = copy.deepcopy(model.backbone.module).cpu().eval()
        with torch.inference_mode():
            return _difference([module(sample)], [loaded(sample)])


def _image_size(name: str, size_px: int) -> dict[str, Any]:
    """Settings of a network of timm whose parameters depend on the size of its input."""
    import timm

    published = timm.get_pretrained_cfg(name)
    is_fixed = published is not None and bool(published.fixed_input_size)
    return {"model_args": {"img_size": size_px}} if is_fixed else {}


def _timm_name(model: Model) -> str:
    """Name of the network in timm; raises UsageError if the model cannot be exported to timm."""
    if model.head is not None:
        raise UsageError(
            "a readout on normalised codes cannot be the last layer of a timm network",
            "Fine-tune, for example only the last layer: finetune(stages=0); or use --format onnx, "
            "which can represent all models.",
        )
    call = parse_call(model.backbone.architecture, "backbone")
    if call.name == "timm":
        return str(call.args[0] if call.args else call.kwargs["name"])
    name = getattr(model.backbone.module, "pretrained_cfg", {}).get("architecture")
    if not name:
        raise UsageError(
            f"{model.backbone.architecture} is not a network of timm",
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
