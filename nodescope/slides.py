"""Whole slides."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from core.attribution.overlay import colour_table
from core.slides.analyse import Analysed, analyse, plan_slide
from core.slides.reader import Slide
from nodescope.predicting import Model, load


def open_slide(path: str | Path) -> Slide:
    """Open a whole slide: SVS, NDPI, MRXS, SCN, BIF, DICOM, tiled TIFF, OME-TIFF, or a picture.

    Returns:
        The slide. ``.size`` is (width, height) at level 0, ``.mpp()`` µm per pixel,
        ``.read(x, y, width, height, scale=4.0)`` uint8 H×W×3 of any region at any scale. Close it, or use ``with``.

    Raises:
        DataError: it cannot be read.
    """
    return Slide(Path(path).expanduser())


@dataclass(frozen=True, eq=False)
class SlideResult:
    """What a model finds on a slide.

    Attributes:
        analysed: the map (``.found``), the measures and a thumbnail.
        folder: where the results lie, also for QuPath (areas.geojson).
    """

    analysed: Analysed
    folder: Path

    @property
    def summary(self) -> dict[str, Any]:
        """What ``summary.json`` holds: areas in mm², foci, longest diameter, warnings."""
        return self.analysed.summary

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each focus, the most probable first: place in level-0 pixels, probability, area, length."""
        rows = [(*each.at, each.probability, each.area_mm2, each.longest_mm) for each in self.analysed.measures.foci]
        return pd.DataFrame(rows, columns=["x", "y", "probability", "area_mm2", "longest_mm"])

    def plot(self, *, opacity: float = 0.5) -> Image.Image:
        """Return the slide with the probabilities over its tissue, as a picture."""
        thumbnail, found = self.analysed.thumbnail, self.analysed.found
        height, width = thumbnail.shape[:2]
        scale = max(self.summary["width"], self.summary["height"]) / max(width, height)
        values = found.at((np.arange(width) + 0.5) * scale, (np.arange(height) + 0.5) * scale)
        known = np.isfinite(values)
        painted = colour_table("inferno")[np.rint(np.where(known, values, 0) * 255).astype(np.intp)]
        weight = np.where(known, opacity, 0.0)[..., None]
        return Image.fromarray(np.rint(thumbnail * (1 - weight) + painted * weight).astype(np.uint8))


def predict_slide(
    path: str | Path,
    folder: str | Path,
    model: Model | None = None,
    *,
    step: int = 32,
    mpp: float | None = None,
    threshold: float | None = None,
) -> SlideResult:
    """Predict a whole slide: where is tumour, how much, how sure. What was stopped goes on with the same call.

    Args:
        path: the slide.
        folder: where the results are written.
        model: the one that comes with Nodescope, by default.
        step: side of a cell in pixels at 0.97 µm; 96 is faster.
        mpp: µm per level-0 pixel, where the file does not say or is wrong.
        threshold: decision threshold; the model's own for slides by default.

    Raises:
        DataError: it cannot be read, or its µm per pixel are not known.
        StorageError: the results cannot be written.
    """
    predictor, file = (model or load()).predictor, Path(path).expanduser()
    with open_slide(file) as slide:
        found = analyse(plan_slide(file, slide, step=step, mpp=mpp), Path(folder), predictor, threshold=threshold)
    return SlideResult(found, Path(folder))
