"""A bundle for other programs: ONNX, TorchScript, a WSInfer model, or a folder for Hugging Face.

Whatever is written is loaded again and compared with the bundle before it takes its place.
"""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core import __version__
from core.bundle.bundle import Bundle, load_bundle
from core.bundle.card import INTENDED_USE
from core.data.dataset import CLASS_NAMES
from core.data.demo import generate_demo
from core.data.store import PATCH_SIZE
from core.display.data_set import made_folder
from core.errors import BundleError, ConfigError
from core.evaluation import METRICS
from core.images.patch import MICROMETRES_PER_PIXEL
from core.storage import atomic

Pixels = npt.NDArray[np.uint8]
Predict = Callable[[Pixels], npt.NDArray[Any]]
"""From patches, uint8 N×96×96×3, to probabilities (N,)."""

SHOWN = ("auc", "accuracy")
"""Metrics in the README.md."""

CLOSE = 1e-4
"""Largest difference of a probability that is taken for rounding."""


@dataclass(frozen=True)
class Format:
    """How a bundle is written for others.

    Attributes:
        about: what is written, for people.
        use: how it is used, as a line of code.
        write: writes the files of a bundle into a folder.
        read: returns what predicts, from that folder alone.
        needs: packages that are not installed with Nodescope.
        has_stain: whether stain normalisation can be a part of it.
    """

    about: str
    use: str
    write: Callable[[Bundle, Path], None]
    read: Callable[[Path], Predict]
    needs: tuple[str, ...] = ()
    has_stain: bool = False


def export_bundle(bundle: Bundle, folder: Path, *, name: str) -> float:
    """Write a bundle for others; the folder is there as a whole, with a README.md, or not at all.

    Args:
        bundle: the bundle.
        folder: is made; it may be there if it is empty.
        name: one of :data:`FORMATS`.

    Returns:
        The largest difference between its probabilities, loaded again, and the bundle's, over :func:`some_patches`.

    Raises:
        ConfigError: a package is missing.
        BundleError: the bundle cannot be written so, or what was written does not predict the same.
        StorageError: the folder holds something already, or cannot be written.
    """
    kind = FORMATS[name]
    missing = [each for each in kind.needs if find_spec(each) is None]
    if missing:
        raise ConfigError(f"The format {name} needs {' and '.join(missing)}: pip install {' '.join(missing)}.")
    if bundle.card.stain is not None and not kind.has_stain:
        raise BundleError(
            f"{bundle.card.name} normalises the stains of each patch, which {name} cannot hold. Choose --format hf, or "
            "a model that was trained without stain normalisation."
        )
    patches = some_patches()
    with made_folder(folder) as place:
        kind.write(bundle, place)
        atomic.write_text(place / "README.md", readme(bundle, name))
        difference = float(np.abs(kind.read(place)(patches) - _predicts(bundle)(patches)).max())
        if not difference <= CLOSE:
            raise BundleError(
                f"Written as {name}, {bundle.card.name} predicts something else: probabilities differ by up to "
                f"{difference:.2g}. Nothing was kept. Choose another format."
            )
    return difference


def some_patches() -> Pixels:
    """Return 33 demo patches: more than a batch, and no whole number of them."""
    return generate_demo(slides=3, patches_per_slide=11).patches


def readme(bundle: Bundle, name: str) -> str:
    """Return what has to be known to use the files, as Markdown with the header of a model card."""
    card = bundle.card
    header = {
        "library_name": "nodescope",
        "pipeline_tag": "image-classification",
        "tags": ["pathology", "histopathology", "lymph-node", "tumour", name],
    }
    measured = []
    for each in card.measured:
        split = "validation" if each.split == "valid" else each.split  # cards have the older word
        shown = [
            f"{METRICS[key].label} {each.evaluation.metrics[key]}" for key in SHOWN if key in each.evaluation.metrics
        ]
        measured.append(f"- {each.data}, {split} split, n = {each.evaluation.n:,}: {', '.join(shown)}")
    lines = [
        "---", *(f"{key}: {json.dumps(value)}" for key, value in header.items()), "---",
        f"# {card.name}",
        "",
        INTENDED_USE,
        "",
        f"- Network: {card.model}; bundle {bundle.digest}, written by Nodescope {__version__}.",
        f"- Files: {FORMATS[name].about}.",
        f"- Use: `{FORMATS[name].use}`",
        f"- Question: is there tumour in the centre 32×32 of a patch of {PATCH_SIZE}×{PATCH_SIZE} pixels of about "
        f"{MICROMETRES_PER_PIXEL} µm, RGB?",
        f"- Decision threshold: {card.threshold:.4f}; from this probability on a patch is called {CLASS_NAMES[1]}.",
        *measured,
        *(f"- {note}" for note in card.notes),
        "",
        "Say under which licence you publish it: for Hugging Face, a line `license:` above.",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


class _Whole(nn.Module):
    """From pixels as they are stored, uint8 N×96×96×3, to the calibrated probability, float32 (N,)."""

    def __init__(self, bundle: Bundle):
        super().__init__()
        self.module, self.calibration = bundle.inference_module(torch.device("cpu")), bundle.card.calibration

    def forward(self, pixels: Tensor) -> Tensor:
        logit = self.module(pixels.permute(0, 3, 1, 2).float() / 255)
        return torch.sigmoid(logit / self.calibration.temperature + self.calibration.bias)


class _TwoClasses(nn.Module):
    """From normalised pixels, float N×3×96×96, to two logits N×2, whose softmax are the calibrated probabilities."""

    def __init__(self, bundle: Bundle):
        super().__init__()
        self.network, self.calibration = bundle.inference_module(torch.device("cpu")).network, bundle.card.calibration

    def forward(self, x: Tensor) -> Tensor:
        logit = self.network(x) / self.calibration.temperature + self.calibration.bias  # type: ignore[operator]
        return torch.stack([torch.zeros_like(logit), logit], dim=1)


def _predicts(bundle: Bundle) -> Predict:
    """Return what predicts by a bundle, with nothing of what was written."""
    if bundle.card.stain is not None:  # both sides see the patches as they are: what is compared are the files
        bundle = Bundle(bundle.card.with_changes(stain=None), bundle.weights)
    return _called(_Whole(bundle).eval())


def _called(module: nn.Module) -> Predict:
    def predict(pixels: Pixels) -> npt.NDArray[Any]:
        with torch.inference_mode():
            found: npt.NDArray[Any] = module(torch.from_numpy(pixels)).numpy()
        return found

    return predict


def _traced(module: nn.Module, example: Tensor, path: Path) -> None:
    with warnings.catch_warnings(), torch.inference_mode():
        # That shapes become constants, which they are; and that PyTorch would rather export in another way.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module.eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
        whole = BytesIO()  # PyTorch's own writer ends the process where the disk is full
        torch.jit.save(traced, whole)
    path.write_bytes(whole.getbuffer())


def _write_torchscript(bundle: Bundle, folder: Path) -> None:
    _traced(_Whole(bundle), torch.zeros(2, PATCH_SIZE, PATCH_SIZE, 3, dtype=torch.uint8), folder / "model.pt")


def _loaded(path: Path) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module: nn.Module = torch.jit.load(str(path))  # type: ignore[no-untyped-call]
    return module


def _write_onnx(bundle: Bundle, folder: Path) -> None:
    example = torch.zeros(2, PATCH_SIZE, PATCH_SIZE, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Whole(bundle).eval(), (example,), str(folder / "model.onnx"), dynamo=True, verbose=False,
            input_names=["pixels"], output_names=["probability"], dynamic_shapes={"pixels": {0: "n"}},
            external_data=False,
        )  # fmt: skip


def _read_onnx(folder: Path) -> Predict:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    return lambda pixels: np.asarray(session.run(["probability"], {"pixels": pixels})[0])


def _write_wsinfer(bundle: Bundle, folder: Path) -> None:
    _traced(_TwoClasses(bundle), torch.zeros(2, 3, PATCH_SIZE, PATCH_SIZE), folder / "torchscript_model.pt")
    card = bundle.card
    # The model-config schema 1.0 of the WSInfer zoo. Two classes, as QuPath takes the softmax of whatever there is.
    config = {
        "spec_version": "1.0",
        "architecture": card.model,
        "num_classes": len(CLASS_NAMES),
        "class_names": list(CLASS_NAMES),
        "patch_size_pixels": PATCH_SIZE,
        "spacing_um_px": MICROMETRES_PER_PIXEL,
        "transform": [
            {"name": "Resize", "arguments": {"size": PATCH_SIZE}},
            {"name": "ToTensor"},
            {"name": "Normalize", "arguments": {"mean": list(card.mean), "std": list(card.std)}},
        ],
    }
    atomic.write_json(folder / "config.json", config)


def _read_wsinfer(folder: Path) -> Predict:
    module = _loaded(folder / "torchscript_model.pt")
    normalise = json.loads((folder / "config.json").read_text("utf-8"))["transform"][2]["arguments"]
    mean, std = (torch.tensor(normalise[each]).view(1, 3, 1, 1) for each in ("mean", "std"))

    def predict(pixels: Pixels) -> npt.NDArray[Any]:
        with torch.inference_mode():
            x = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / std
            found: npt.NDArray[Any] = module(x).softmax(dim=1)[:, 1].numpy()
        return found

    return predict


def _write_hf(bundle: Bundle, folder: Path) -> None:
    bundle.save(folder / "model.safetensors")  # the bundle itself, so that Nodescope reads it
    told = bundle.card.to_json()
    kept = {
        name: told[name]
        for name in ("name", "model", "arguments", "preprocessing", "temperature", "bias", "threshold", "intended_use")
    }
    classes = {"id2label": dict(enumerate(CLASS_NAMES)), "label2id": {each: n for n, each in enumerate(CLASS_NAMES)}}
    atomic.write_json(folder / "config.json", {"model_type": "nodescope", **kept, **classes, "digest": bundle.digest})


FORMATS = {
    "onnx": Format(
        "model.onnx, from pixels (uint8 N×96×96×3) to probability (float32 N); preprocessing and calibration are in it",
        'onnxruntime.InferenceSession("model.onnx").run(["probability"], {"pixels": pixels})',
        _write_onnx, _read_onnx, ("onnx", "onnxscript", "onnxruntime"),
    ),
    "torchscript": Format(
        "model.pt, the same for torch.jit.load",
        'torch.jit.load("model.pt")(torch.from_numpy(pixels))',
        _write_torchscript, lambda folder: _called(_loaded(folder / "model.pt")),
    ),
    "wsinfer": Format(
        "torchscript_model.pt and config.json, as WSInfer and its QuPath extension read them",
        "wsinfer run --wsi-dir SLIDES --results-dir RESULTS --model-path torchscript_model.pt --config config.json",
        _write_wsinfer, _read_wsinfer,
    ),
    "hf": Format(
        "model.safetensors (the bundle itself) and config.json, to be uploaded to Hugging Face",
        'nodescope.predict("PICTURES", nodescope.load("model.safetensors"))',
        _write_hf, lambda folder: _predicts(load_bundle(folder / "model.safetensors")), has_stain=True,
    ),
}  # fmt: skip
"""Name -> format."""
