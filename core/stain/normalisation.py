"""Patches brought to the colours of a reference patch.

Laboratories stain differently. Normalisation brings a patch to the colours of a reference patch, by one of two methods:

- Macenko et al. 2009 ("A method for normalizing histology slides for quantitative analysis", ISBI, 1107-1110) finds the
  two stains of a patch as the extreme directions of its optical densities, and gives them the directions and strengths
  of the reference's.
- Reinhard et al. 2001 ("Color transfer between images", IEEE CG&A 21(5), 34-41) gives the patch the mean and standard
  deviation of the reference in the colour space lαβ, whose axes vary independently in natural pictures.

Both look at tissue only, so that glass neither counts nor changes; a patch without tissue, or without two stains, is
left as it is.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from core.errors import PatchError
from core.stain.density import colourfulness, optical_density, require_patch

Method = Literal["macenko", "reinhard"]
METHODS: dict[Method, str] = {"macenko": "Macenko", "reinhard": "Reinhard"}
"""Methods of stain normalisation with their names for people."""

Triple = tuple[float, float, float]

FEWEST_TISSUE = 0.01
"""Least share of a patch's pixels that must be tissue for its stains to be measured."""

_BETA = 0.15  # optical density of every colour from which on a pixel counts as stained (Macenko et al. 2009)
_TAIL = 1.0  # percentile of the angles at either end; the extremes themselves are noise (Macenko et al. 2009)
# Between the two stains, in radians. Of 300 real patches one has less than 0.2: there is one stain, and noise.
_LEAST_ANGLE = 0.15
_GLASS, _TISSUE = 0.03, 0.08  # colourfulness up to which a pixel is glass, and from which on it is tissue
_LEAST_SPREAD = 1e-4  # a patch of one colour has no spread to divide by


@dataclass(frozen=True)
class Macenko:
    """The two stains of a patch, and how strong they are.

    Attributes:
        stains: unit vectors of optical density in red, green and blue; haematoxylin, then eosin.
        strengths: 99th percentile of the amount of each among the stained pixels.
    """

    stains: tuple[Triple, Triple]
    strengths: tuple[float, float]
    method: Method = "macenko"

    @classmethod
    def of(cls, patch: npt.NDArray[np.uint8]) -> Self | None:
        """Measure a patch, uint8 H×W×3; None where it has too little tissue or no two stains."""
        density = optical_density(patch, shifted=True).reshape(-1, 3)
        stained = density[(density > _BETA).all(axis=1)].astype(np.float64)
        if len(stained) < max(3, FEWEST_TISSUE * len(density)):
            return None
        # The plane that holds most of the densities: two stains and their mixtures lie in one.
        plane = np.linalg.eigh(np.cov(stained.T))[1][:, [2, 1]]
        # The first axis points to more stain, so that all angles lie around 0 and none at the jump of arctan2.
        plane *= np.where(plane.sum(axis=0) < 0, -1, 1)
        across, along = (stained @ plane).T
        angles = np.percentile(np.arctan2(along, across), (_TAIL, 100 - _TAIL))
        if angles[1] - angles[0] < _LEAST_ANGLE:
            return None
        found = np.stack([np.cos(angles), np.sin(angles)], axis=1) @ plane.T
        # Haematoxylin, which is blue-violet, absorbs more red.
        first, second = sorted(found.tolist(), key=lambda stain: -stain[0])
        amounts = stained @ np.linalg.pinv(np.array([first, second]))
        strengths = np.percentile(amounts, 100 - _TAIL, axis=0)
        if strengths.min() <= 0:
            return None
        return cls((_triple(first), _triple(second)), (float(strengths[0]), float(strengths[1])))

    def moved(self, patch: npt.NDArray[np.uint8], target: Self) -> npt.NDArray[Any]:
        """Return float H×W×3, levels of a patch with these stains as if it had those of `target`.

        What neither stain explains, which Macenko et al. drop, stays as it is: a patch brought to itself is unchanged.
        """
        own, wanted = np.array(self.stains), np.array(target.stains)
        scale = np.array(target.strengths) / self.strengths
        change = np.eye(3) + np.linalg.pinv(own) @ (scale[:, None] * wanted - own)
        density = optical_density(patch, shifted=True) @ change.astype(np.float32)
        return np.asarray(256 * np.exp(-density) - 1)


@dataclass(frozen=True)
class Reinhard:
    """The colours of a patch's tissue in lαβ.

    Attributes:
        mean: of l (light), α (yellow against blue) and β (red against green), of logarithms to base 10.
        spread: standard deviation of each.
    """

    mean: Triple
    spread: Triple
    method: Method = "reinhard"

    @classmethod
    def of(cls, patch: npt.NDArray[np.uint8]) -> Self | None:
        """Measure a patch, uint8 H×W×3; None where it has too little tissue or one colour only."""
        tissue = colourfulness(patch) >= _TISSUE
        if tissue.mean() < FEWEST_TISSUE:
            return None
        values = _to_lab(patch[tissue])
        mean, spread = values.mean(axis=0), values.std(axis=0)
        return cls(_triple(mean), _triple(spread)) if spread.min() > _LEAST_SPREAD else None

    def moved(self, patch: npt.NDArray[np.uint8], target: Self) -> npt.NDArray[Any]:
        """Return float H×W×3, levels of a patch with these colours as if it had those of `target`."""
        scale = np.array(target.spread) / self.spread
        moved = (_to_lab(patch) - self.mean) * scale + target.mean
        return np.asarray(256 * 10 ** (moved @ _FROM_LAB) @ _FROM_LMS - 1)


StainReference = Macenko | Reinhard
"""What patches are brought to."""

_KINDS: dict[str, type[Macenko] | type[Reinhard]] = {"macenko": Macenko, "reinhard": Reinhard}


def reference_of(patch: npt.NDArray[np.uint8], method: Method) -> StainReference:
    """Measure a patch that others are to be brought to.

    Args:
        patch: uint8 H×W×3.
        method: one of :data:`METHODS`.

    Raises:
        PatchError: it is no patch, or its stains cannot be measured.
    """
    require_patch(patch)
    if method not in _KINDS:
        raise PatchError(f"Stain normalisation must be one of {', '.join(METHODS)}, got {method!r}.")
    found = _KINDS[method].of(patch)
    if found is None:
        raise PatchError(
            "The stains of the reference patch cannot be measured: it has too little tissue, or only one colour. "
            "Choose one with nuclei and pink tissue."
        )
    return found


def normalise(patch: npt.NDArray[np.uint8], reference: StainReference) -> npt.NDArray[np.uint8]:
    """Return a patch in the colours of a reference, uint8 H×W×3; one without measurable stains comes back as it is.

    Pixels of glass stay as they are too: they hold no stain, and stretching what little colour they have tints them.

    Args:
        patch: uint8 H×W×3.
        reference: of :func:`reference_of`.
    """
    own = type(reference).of(patch)
    if own is None:
        return patch
    moved = own.moved(patch, reference)  # type: ignore[arg-type]
    share = ((colourfulness(patch) - _GLASS) / (_TISSUE - _GLASS)).clip(0, 1)[..., None]
    return np.asarray(np.rint(share * moved + (1 - share) * patch).clip(0, 255), dtype=np.uint8)


def normalise_all(patches: npt.NDArray[np.uint8], reference: StainReference | None) -> npt.NDArray[np.uint8]:
    """Return each of some patches as :func:`normalise` does, uint8 N×H×W×3; without a reference the very same array."""
    if reference is None or not len(patches):
        return patches
    return np.stack([normalise(patch, reference) for patch in patches])


def typical(patches: npt.NDArray[np.uint8]) -> int:
    """Return the number of the patch whose mean optical density is nearest to the median of all, of uint8 N×H×W×3.

    Patches without measurable stains are passed over.

    Raises:
        PatchError: no patch has measurable stains.
    """
    density = np.array([optical_density(patch, shifted=True).mean(axis=(0, 1)) for patch in patches]).reshape(-1, 3)
    # Nearest first, so that only a few have to be measured.
    for number in np.argsort(((density - np.median(density, axis=0)) ** 2).sum(axis=1), kind="stable"):
        if all(kind.of(patches[number]) is not None for kind in _KINDS.values()):
            return int(number)
    raise PatchError("None of the patches has stains that can be measured, so that none can be the reference.")


def reference_to_json(reference: StainReference) -> dict[str, Any]:
    """Return plain values for :func:`reference_from_json`."""
    return asdict(reference)


def reference_from_json(value: Mapping[str, Any]) -> StainReference:
    """Return the reference that :func:`reference_to_json` gave.

    Raises:
        ValueError: it is another kind of value, or out of range.
    """
    try:
        if value["method"] == "macenko":
            first, second = map(_triple, value["stains"])
            haematoxylin, eosin = map(float, value["strengths"])
            found: StainReference = Macenko((first, second), (haematoxylin, eosin))
            whole: tuple[float, ...] = (*first, *second, haematoxylin, eosin)
            positive = np.array([haematoxylin, eosin])
            apart = np.linalg.svd(np.array([first, second]), compute_uv=False).min()
            usable = positive.min() > 0 and apart > 1e-3
        elif value["method"] == "reinhard":
            found = Reinhard(_triple(value["mean"]), _triple(value["spread"]))
            whole = (*found.mean, *found.spread)
            usable = min(found.spread) > 0
        else:
            raise ValueError(f"its method must be one of {', '.join(METHODS)}, got {value['method']!r}")
    except (KeyError, TypeError) as error:
        raise ValueError(f"it is incomplete ({error})") from error
    if not usable or not all(abs(each) < 100 for each in whole):  # put this way round, it refuses NaN as well
        raise ValueError("its numbers are out of range")
    return found


def _triple(values: Any) -> Triple:
    red, green, blue = map(float, values)
    return red, green, blue


# RGB to the responses of the eye's cones, and their logarithms to lαβ (Reinhard et al. 2001, equations 4 and 6).
_TO_LMS = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]]).T
_FROM_LMS = np.linalg.inv(_TO_LMS)
_TO_LAB = (np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]]) / np.sqrt([[3], [6], [2]])).T
_FROM_LAB = np.linalg.inv(_TO_LAB)


def _to_lab(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    # One more than the level, as in optical_density(shifted=True): black has a logarithm then.
    return np.asarray(np.log10((pixels + 1.0) / 256 @ _TO_LMS) @ _TO_LAB)
