"""What is measured on a slide: areas in mm², foci, the longest focus and its class. All follow from the map."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from core.bundle.card import Card
from core.errors import ConfigError
from core.slides.outlines import TUMOUR, Annotation, Polygon, trace
from core.slides.slide_map import SlideMap

MACRO_MM, MICRO_MM = 2.0, 0.2
"""Longest extent from which on a metastasis is a macro- and a micrometastasis; smaller ones are isolated tumour cells
(CAMELYON17, after the TNM classification)."""

LEAST_MM2 = 0.0075
"""Smaller areas are left out: less than a patch, or a disc of 0.1 mm across."""

TOUCHING = np.ones((3, 3), int)
"""Cells that touch at an edge or corner are one focus."""


@dataclass(frozen=True, eq=False)
class Focus:
    """One connected area of tumour.

    Attributes:
        at: level-0 (x, y) of the middle of its most probable cell.
        probability: of that cell.
        mean: mean probability.
        area_mm2: its area.
        longest_mm: its longest extent.
        polygons: its outline in level-0 pixels.
    """

    at: tuple[float, float]
    probability: float
    mean: float
    area_mm2: float
    longest_mm: float
    polygons: tuple[Polygon, ...]

    def annotation(self, number: int) -> Annotation:
        """Return it as an annotation; `number` counts from 1."""
        measured = {
            "Area mm^2": round(self.area_mm2, 6), "Longest extent mm": round(self.longest_mm, 4),
            "Mean probability": round(self.mean, 4), "Highest probability": round(self.probability, 4),
        }  # fmt: skip
        return Annotation(TUMOUR, self.polygons, f"Focus {number}", (215, 38, 61), measured)


@dataclass(frozen=True)
class Rule:
    """Which cells are tumour: connected ones from `threshold` on, with one from `peak` on among them, not too few.

    Two thresholds find faint margins of sure areas without taking every faint cell (as Canny 1986 does for edges).

    Attributes:
        threshold: probability from which on a cell may be tumour.
        peak: probability that the most probable cell of each area must reach.
        least_mm2: smaller areas are left out.

    Raises:
        ConfigError: a probability lies outside [0, 1].
    """

    threshold: float
    peak: float = 0.0
    least_mm2: float = LEAST_MM2

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1 or not 0 <= self.peak <= 1:
            raise ConfigError(f"The threshold must be 0 to 1, got {self.threshold:g}.")

    @classmethod
    def of(cls, card: Card, threshold: float | None = None) -> "Rule":
        """Return the rule of a bundle, see :attr:`core.bundle.card.Card.slide_thresholds`.

        Args:
            card: of the bundle.
            threshold: what the user says instead of the rule's own.
        """
        own, peak = card.slide_thresholds
        return cls(own if threshold is None else threshold, peak)


@dataclass(frozen=True, eq=False)
class Measures:
    """The measures of a slide.

    Attributes:
        rule: which cells are tumour.
        tissue_mm2: area of all predicted cells.
        tumour_mm2: area of all foci.
        highest: highest probability of any cell; None without tissue.
        foci: the most probable first.
    """

    rule: Rule
    tissue_mm2: float
    tumour_mm2: float
    highest: float | None
    foci: tuple[Focus, ...]

    @property
    def tumour_share(self) -> float | None:
        """Share of the tissue that is tumour; None without tissue."""
        return self.tumour_mm2 / self.tissue_mm2 if self.tissue_mm2 else None

    @property
    def longest_mm(self) -> float:
        """Extent of the longest focus; 0 without foci."""
        return max((focus.longest_mm for focus in self.foci), default=0.0)


def class_of(longest_mm: float) -> str:
    """Return "macro", "micro", "ITC" or, without any focus, "negative"."""
    if longest_mm <= 0:
        return "negative"
    return "macro" if longest_mm >= MACRO_MM else "micro" if longest_mm >= MICRO_MM else "ITC"


def measure(found: SlideMap, rule: Rule) -> Measures:
    """Measure a slide by its map and a rule."""
    values = found.probability.astype(np.float32)
    tissue, cell = ~np.isnan(values), found.cell_mm**2
    labels = foci_of(values, rule, fewest=rule.least_mm2 / cell)
    foci = _foci(found, values, labels)
    return Measures(
        rule, float(tissue.sum() * cell), float((labels > 0).sum() * cell),
        float(np.nanmax(values)) if tissue.any() else None,
        tuple(sorted(foci, key=lambda focus: (-focus.probability, -focus.area_mm2, focus.at))),
    )  # fmt: skip


def foci_of(probability: npt.NDArray[np.floating], rule: Rule, *, fewest: float) -> npt.NDArray[np.int32]:
    """Return the number of the focus that each cell belongs to, int32 rows×columns, 0 for none.

    Args:
        probability: rows×columns, NaN where there is no tissue.
        rule: which cells are tumour.
        fewest: cells of a focus.
    """
    values = np.nan_to_num(probability, nan=-1.0)  # at or above nothing
    labels, count = ndimage.label(values >= rule.threshold, TOUCHING)
    sizes, peaks = np.bincount(labels.ravel(), minlength=count + 1), np.zeros(count + 1)
    np.maximum.at(peaks, labels.ravel(), values.ravel())
    kept = (sizes >= fewest - 1e-9) & (peaks >= rule.peak)
    kept[0] = False
    return np.asarray(np.where(kept, np.cumsum(kept), 0).astype(np.int32)[labels])


def _foci(found: SlideMap, values: npt.NDArray[np.float32], labels: npt.NDArray[np.int32]) -> list[Focus]:
    foci = []
    outlines = trace(labels)
    for number, window in enumerate(ndimage.find_objects(labels), start=1):
        own = labels[window] == number
        inside = np.where(own, values[window], -1.0)
        row, column = np.unravel_index(int(inside.argmax()), inside.shape)
        at = found.middle(window[0].start + int(row), window[1].start + int(column))
        polygons = tuple(
            tuple(ring * found.step + np.array(found.origin) for ring in polygon) for polygon in outlines[number]
        )
        cells = inside[own]
        area = float(own.sum() * found.cell_mm**2)
        extent = longest(outlines[number]) * found.cell_mm
        foci.append(Focus(at, float(cells.max()), float(cells.mean()), area, extent, polygons))
    return foci


def longest(polygons: tuple[Polygon, ...]) -> float:
    """Return the greatest distance between two corners of some polygons."""
    corners = np.concatenate([polygon[0] for polygon in polygons])
    return float(pdist(corners[ConvexHull(corners).vertices]).max())
