"""How well slides were searched: FROC as CAMELYON16 defines it, and the areas and classes of whole slides.

Ehteshami Bejnordi et al., JAMA 2017, and the challenge's evaluation: an annotated area is widened by 37.5 µm on each
side (its diameter by 75 µm) and its holes are filled; what then touches is one lesion. Lesions with a major axis below
275 µm are isolated tumour cells, in which findings count neither as right nor as wrong. A lesion is found with the
highest probability of the findings in it, and every finding outside of all is a false positive. The score is the mean
sensitivity at 1/4, 1/2, 1, 2, 4 and 8 false positives a slide.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage, stats

from core.evaluation.estimate import Estimate
from core.slides.cut import cells_inside
from core.slides.measures import longest
from core.slides.outlines import Annotation, trace

Floats = npt.NDArray[np.float64]

PIXEL_UM = 8.0
"""Side of a pixel of the masks."""

WIDENED_UM = 75.0 / 2
ISOLATED_UM = 275.0
RATES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False positives a slide at which sensitivities are averaged."""

FEWEST = 4
"""Slides below which a score has no interval."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What people outlined on a slide.

    Attributes:
        mpp: µm per level-0 pixel.
        tumour: bool rows×columns of 8 µm, where tumour is.
        lesions: int32, the number of the lesion, 0 for none.
        isolated: numbers of those that are isolated tumour cells.
    """

    mpp: float
    tumour: npt.NDArray[np.bool_]
    lesions: npt.NDArray[np.int32]
    isolated: frozenset[int]

    @property
    def counted(self) -> list[int]:
        """The numbers of the lesions that are to be found."""
        return [number for number in range(1, int(self.lesions.max(initial=0)) + 1) if number not in self.isolated]

    def lesions_at(self, places: Floats) -> npt.NDArray[np.int32]:
        """Return the numbers of the lesions at level-0 places (x, y), n×2; 0 where there is none."""
        rows, columns = self.lesions.shape
        column, row = np.floor(places.T * self.mpp / PIXEL_UM).astype(int)
        known = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        found = self.lesions[np.clip(row, 0, rows - 1), np.clip(column, 0, columns - 1)]
        return np.where(known, found, 0).astype(np.int32)

    def middle_of(self, lesion: int) -> tuple[float, float]:
        """Return the level-0 (x, y) of the tumour of a lesion that lies nearest to its middle."""
        places = np.argwhere(self.tumour & (self.lesions == lesion))
        row, column = places[((places - places.mean(axis=0)) ** 2).sum(axis=1).argmin()]
        return (column + 0.5) * PIXEL_UM / self.mpp, (row + 0.5) * PIXEL_UM / self.mpp

    @property
    def mm2(self) -> float:
        """Area of the tumour."""
        return float(self.tumour.sum()) * (PIXEL_UM / 1000) ** 2

    @property
    def longest_mm(self) -> float:
        """Extent of the longest area, where those that touch are one; 0 without tumour."""
        pieces, _ = ndimage.label(self.tumour, np.ones((3, 3)))
        return max((longest(each) for each in trace(pieces).values()), default=0.0) * PIXEL_UM / 1000


@dataclass(frozen=True, eq=False)
class Searched:
    """What was found on a slide.

    Attributes:
        lesions: the highest probability in each lesion that counts; -inf where there is no finding.
        false: the probabilities of findings outside of all lesions.
    """

    lesions: Floats
    false: Floats


@dataclass(frozen=True, eq=False)
class Froc:
    """The FROC curve of some slides.

    Attributes:
        rates: false positives a slide at falling thresholds, from 0 on.
        sensitivities: share of the lesions found there.
        at_rates: the sensitivity at each of :data:`RATES`, linear between the points of the curve.
        score: their mean. All have their intervals over slides.
        lesions: how many there are.
    """

    rates: Floats
    sensitivities: Floats
    at_rates: tuple[Estimate, ...]
    score: Estimate
    lesions: int


def truth_of(annotations: Sequence[Annotation], size: tuple[int, int], mpp: float) -> Truth:
    """Return the lesions of a slide of (width, height) level-0 pixels from what people outlined."""
    pixel = PIXEL_UM / mpp
    shape = (int(np.ceil(size[1] / pixel)), int(np.ceil(size[0] / pixel)))
    tumour = np.zeros(shape, bool)
    for polygon in (polygon for each in annotations if each.is_tumour for polygon in each.polygons):
        tumour |= cells_inside(polygon, shape, origin=(0.0, 0.0), pixel=pixel, step=1)
    if not tumour.any():
        return Truth(mpp, tumour, np.zeros(shape, np.int32), frozenset())
    near = ndimage.distance_transform_edt(~tumour) * PIXEL_UM < WIDENED_UM
    lesions, count = ndimage.label(ndimage.binary_fill_holes(near), np.ones((3, 3)))
    lesions = lesions.astype(np.int32)
    isolated = {number for number in range(1, count + 1) if major_axis(lesions == number) * PIXEL_UM < ISOLATED_UM}
    return Truth(mpp, tumour, lesions, frozenset(isolated))


def major_axis(mask: npt.NDArray[np.bool_]) -> float:
    """Return the length, in pixels, of the major axis of the ellipse with the same second moments as an area."""
    places = np.argwhere(mask)
    # 1/12 is the moment of a pixel itself.
    moments = np.cov(places.T, bias=True) + np.eye(2) / 12
    return float(4 * np.sqrt(np.linalg.eigvalsh(moments)[-1]))


def searched(findings: npt.ArrayLike, truth: Truth) -> Searched:
    """Return which findings lie in which lesion.

    Args:
        findings: n×3: x and y in level-0 pixels, and the probability.
        truth: of that slide.
    """
    table = np.asarray(findings, np.float64).reshape(-1, 3)
    number = truth.lesions_at(table[:, :2])
    best = [table[number == each, 2].max(initial=-np.inf) for each in truth.counted]
    return Searched(np.array(best, np.float64), table[number == 0, 2])


def froc(slides: Sequence[Searched]) -> Froc:
    """Return the FROC of some slides, those without tumour included.

    Example:
        >>> froc([Searched(np.array([0.9]), np.array([0.95]))]).score.value  # found only after a false positive
        0.7916666666666666
    """
    lesions = sum(len(each.lesions) for each in slides)
    left_out = np.array([_at_rates([*slides[:at], *slides[at + 1 :]]) for at in range(len(slides))])
    values = _at_rates(slides)
    at_rates = tuple(_over_slides(value, without) for value, without in zip(values, left_out.T, strict=True))
    return Froc(*_curve(slides), at_rates, _over_slides(values.mean(), left_out.mean(axis=1)), lesions)


def _curve(slides: Sequence[Searched]) -> tuple[Floats, Floats]:
    found = np.concatenate([each.lesions for each in slides] or [np.empty(0)])
    false = np.concatenate([each.false for each in slides] or [np.empty(0)])
    thresholds = np.unique(np.concatenate([found[np.isfinite(found)], false]))[::-1]
    rates = np.array([0.0, *((false >= each).sum() / len(slides) for each in thresholds)])
    if not len(found):
        return rates, np.full(len(rates), np.nan)
    return rates, np.array([0.0, *((found >= each).mean() for each in thresholds)])


def _at_rates(slides: Sequence[Searched]) -> Floats:
    rates, shares = _curve(slides)
    # Of several thresholds with the same rate the lowest counts, which has found the most.
    last = np.append(np.flatnonzero(np.diff(rates)), len(rates) - 1)
    return np.asarray(np.interp(RATES, rates[last], shares[last]))


def _over_slides(value: float, left_out: Floats) -> Estimate:
    """Return a value with its interval from the values without each slide in turn (jackknife, Student's t)."""
    count = len(left_out)
    if np.isnan(value) or count < FEWEST or not np.isfinite(left_out).all() or np.ptp(left_out) == 0:
        return Estimate(float(value), math.nan, math.nan)
    error = np.sqrt((count - 1) / count * ((left_out - left_out.mean()) ** 2).sum())
    half = float(stats.t.ppf(0.975, count - 1) * error)
    return Estimate(float(value), max(0.0, value - half), min(1.0, value + half))


def dice(called: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> float | None:
    """Return twice the common cells over the sum of both; None where neither has any."""
    total = int(called.sum()) + int(truth.sum())
    return 2 * float((called & truth).sum()) / total if total else None
