"""Brightness, sharpness and staining of patches, by which metrics are split into subgroups."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans

from core.data.measures import grey, laplacian
from core.errors import PatchError
from core.stain import optical_density

COLUMNS = ("brightness", "laplacian_variance", "red", "green", "blue")


@dataclass(frozen=True, eq=False)
class Appearance:
    """The appearance of N patches.

    Attributes:
        values: float32 (N, 5): brightness (mean luminance, 0 to 255), the variance of the Laplacian of the
            luminance, see :func:`core.data.measures.laplacian`, and the mean optical density of red, green and blue.
    """

    values: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(COLUMNS):
            raise PatchError(f"Appearances are an array (N, {len(COLUMNS)}); got the shape {self.values.shape}.")

    @property
    def brightness(self) -> npt.NDArray[np.float32]:
        """Mean luminance (N,), 0 black to 255 white."""
        return self.values[:, 0]

    @property
    def laplacian_variance(self) -> npt.NDArray[np.float32]:
        """Variance of the Laplacian (N,): sharpness that grows with contrast; near 0 is blurred or empty."""
        return self.values[:, 1]

    @property
    def density(self) -> npt.NDArray[np.float32]:
        """Mean optical density (N, 3) of red, green and blue."""
        return self.values[:, 2:]

    def subset(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "Appearance":
        """Return the appearance of some of the patches."""
        return Appearance(self.values[rows])


def measure_appearance(pixels: npt.NDArray[np.uint8]) -> Appearance:
    """Measure patches, uint8 N×96×96×3; about 0.1 ms each."""
    values = np.empty((len(pixels), len(COLUMNS)), np.float32)
    for number, patch in enumerate(pixels):  # one by one in the cache of the processor: three times as quick
        levels = grey(patch)
        values[number, 0] = levels.mean()
        values[number, 1] = laplacian(levels).var()
        values[number, 2:] = optical_density(patch, shifted=True).mean(axis=(0, 1))
    return Appearance(values)


def stain_clusters(appearance: Appearance, *, clusters: int = 4, seed: int = 0) -> npt.NDArray[np.intp]:
    """Sort patches into groups of alike staining by k-means on their optical density.

    Its colour (share of red, green and blue) and the log of its strength count alike, each scaled to unit spread.

    Args:
        appearance: of N patches.
        clusters: how many groups; fewer where there are fewer different patches.
        seed: makes the result repeatable.

    Returns:
        (N,) group numbers, 0 to clusters - 1, from the weakest to the strongest staining.
    """
    # The density of a white patch is 0; the small number keeps the division and the logarithm defined.
    # Two of the three shares are enough, since they add up to 1.
    total = appearance.density.sum(axis=1, keepdims=True) + 1e-6
    features = np.concatenate([appearance.density[:, :2] / total, np.log(total)], axis=1).astype(np.float64)
    spread = features.std(axis=0)
    # A column that is the same in all patches has no spread; it stays 0 instead of becoming NaN.
    features = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
    wanted = min(clusters, len(np.unique(features.round(6), axis=0)))
    # A sample finds the centres: k-means on 220,025 patches would take seconds for the same groups.
    chosen = np.random.default_rng(seed).permutation(len(features))[:20_000]
    found = KMeans(n_clusters=wanted, n_init=4, random_state=seed).fit(features[chosen])
    # k-means numbers its clusters as they come; ranked by the strength (column 2), a number keeps its meaning.
    order = np.argsort(found.cluster_centers_[:, 2])
    rank = np.empty(wanted, np.intp)
    rank[order] = np.arange(wanted)
    numbers: npt.NDArray[np.intp] = rank[found.predict(features)]
    return numbers
