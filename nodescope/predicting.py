"""Models, what they predict, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from core.attribution import Attribution, AttributionOptions, attribute, overlay, saliency_map
from core.bundle import Bundle, load_bundle
from core.data import CLASS_NAMES, Dataset
from core.errors import PatchError, Problem
from core.images.decode import decode_patch
from core.images.discover import find_patches, read_file
from core.prediction import Predictor
from core.prediction.batch import score_files
from core.prediction.result import PatchResult, predict_patch

Pixels = npt.NDArray[np.uint8]
Patch = Pixels | str | Path
"""uint8 96×96×3, or a file."""


@dataclass(frozen=True, eq=False)
class Model:
    """A bundle on a device: network, preprocessing, calibration and threshold.

    Attributes:
        bundle: its content; ``.card`` says how it was trained and measured.
        device: "auto", "cpu" or "cuda".
    """

    bundle: Bundle
    device: str = "auto"

    @cached_property
    def predictor(self) -> Predictor:
        """The network on its device."""
        return Predictor(self.bundle, device=self.device)

    @property
    def name(self) -> str:
        """Its name."""
        return self.bundle.card.name

    @property
    def threshold(self) -> float:
        """From this probability on, tumour."""
        return self.bundle.card.threshold

    def save(self, path: str | Path) -> Path:
        """Write it as one .safetensors file. Raises :class:`StorageError`."""
        self.bundle.save(Path(path))
        return Path(path)


def load(bundle: str | Path = "nodescope", *, device: str = "auto") -> Model:
    """Load a model.

    Args:
        bundle: "nodescope", "nodescope-net", or a .safetensors file that a training made.
        device: "auto" takes a GPU where there is one.

    Raises:
        BundleError: it is missing, damaged or foreign.
    """
    return Model(load_bundle(bundle), device)


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a model predicts for patches.

    Attributes:
        ids: of the patches, str (N,).
        logits: float32 (N,), before calibration.
        probabilities: float64 (N,), calibrated, of tumour in the centre 32×32.
        threshold: from this probability on the verdict is tumour.
        problems: what could not be read.
    """

    ids: npt.NDArray[Any]
    logits: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float64]
    threshold: float
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each patch: id, probability, verdict, logit."""
        verdicts = np.array(CLASS_NAMES)[(self.probabilities >= self.threshold).astype(int)]
        columns = {"id": self.ids, "probability": self.probabilities, "verdict": verdicts, "logit": self.logits}
        return pd.DataFrame(columns)


def predict(
    what: Dataset | Pixels | str | Path | Sequence[str | Path],
    model: Model | None = None,
    *,
    rows: Sequence[int] | None = None,
) -> Predicted:
    """Predict patches; the same patch gets the same bits alone and among others.

    Args:
        what: a data set, an array uint8 N×96×96×3, or files, folders and zips.
        model: the one that comes with Nodescope, by default.
        rows: of a data set, which of its patches; all by default.

    Raises:
        PatchError: the array has another shape, or no file can be read.
    """
    predictor = (model or load()).predictor
    line = predictor.bundle.card.threshold
    if isinstance(what, np.ndarray):
        found = predictor.predict(what)
        return Predicted(np.arange(len(what)), found.logits, found.probabilities, line)
    if isinstance(what, Dataset):
        chosen = np.arange(len(what)) if rows is None else np.asarray(rows)
        loaded = what.store.load(chosen)
        found = predictor.predict(loaded.pixels[loaded.readable])
        names = what.table["id"].to_numpy(dtype=object)[chosen]
        problems = tuple(Problem(str(names[at]), why) for at, why in loaded.unreadable.items())
        return Predicted(names[loaded.readable], found.logits, found.probabilities, line, problems)
    files = find_patches([what] if isinstance(what, (str, Path)) else list(what))
    scored = score_files(predictor, files.files)
    problems = (*files.problems, *scored.problems)
    if not scored.files:
        raise PatchError(f"None of it can be predicted: {problems[0]}" if problems else "There is nothing to predict.")
    return Predicted(
        np.array([each.id for each in scored.files], object),
        np.array([each.logit for each in scored.files], np.float32),
        np.array([each.probability for each in scored.files]),
        line,
        problems,
    )


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a model predicts what it does for one patch.

    Attributes:
        result: probability, verdict, spread over eight flips and rotations, out-of-distribution warnings.
        attribution: signed, float32 3×96×96; positive is evidence for tumour.
        saliency: for the eye, float32 96×96 in [0, 1], or in [-1, 1] where the method has a sign.
    """

    result: PatchResult
    attribution: Attribution
    saliency: npt.NDArray[np.float32]

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each pixel: x, y, attribution (summed over colours) and saliency."""
        y, x = np.indices(self.saliency.shape)
        values = self.attribution.values.sum(axis=0)
        columns = {"x": x.ravel(), "y": y.ravel(), "attribution": values.ravel(), "saliency": self.saliency.ravel()}
        return pd.DataFrame(columns)

    def plot(self, *, zoom: int = 4, opacity: float = 0.6) -> Image.Image:
        """Return the patch with the map over it and the labelled centre framed, as a picture."""
        return Image.fromarray(overlay(self.result.pixels, self.saliency, opacity=opacity, zoom=zoom))


def explain(
    patch: Patch, model: Model | None = None, *, method: str = "grad-cam", symmetries: bool = False
) -> Explanation:
    """Explain what a model predicts for one patch.

    Args:
        patch: uint8 96×96×3, or a file.
        model: the one that comes with Nodescope, by default.
        method: such as "grad-cam", "integrated-gradients" or "occlusion"; ``core.attribution.METHODS`` has all.
        symmetries: average over the eight flips and rotations.

    Raises:
        AttributionError: the method does not suit the network; the sentence says why.
        PatchError: the patch cannot be used.
    """
    predictor = (model or load()).predictor
    pixels = patch if isinstance(patch, np.ndarray) else _decoded(Path(patch))
    result = predict_patch(predictor, pixels)
    found = attribute(predictor.module, result.pixels, method=method, options=AttributionOptions(symmetries=symmetries))
    return Explanation(result, found, saliency_map(found))


def _decoded(path: Path) -> Pixels:
    return decode_patch(read_file(path, path.name), name=path.name).pixels
