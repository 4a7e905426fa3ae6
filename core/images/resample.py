"""The one resampler: reductions are means of the area that a pixel covers, enlargements are bicubic.

A pixel of the result is the mean of what it covers, also of parts of pixels, so that nothing is aliased and nothing
rings. Patches of data sets, pictures that are predicted and slides are reduced by the same arithmetic.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.sparse import csr_array

Pixels = npt.NDArray[np.uint8]
Edges = npt.NDArray[np.float64]

AT_ONCE = 500_000
"""Pixels that are held as floats at a time while they are reduced: few enough for a processor's cache, which halves
the time."""


def resampled(pixels: Pixels, box: tuple[float, float, float, float], size: tuple[int, int]) -> Pixels:
    """Return a part of a picture at another size.

    Args:
        pixels: uint8 H×W×3.
        box: (left, top, right, bottom) of the part, in pixels and parts of them.
        size: (width, height) of the result.
    """
    left, top, right, bottom = box
    width, height = size
    if width > right - left:
        return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC, box=box))
    columns, rows = (
        np.minimum(start + (stop - start) / count * np.arange(count + 1), length)
        for start, stop, count, length in ((left, right, width, pixels.shape[1]), (top, bottom, height, len(pixels)))
    )
    return area_means(pixels, rows, columns)


def area_means(pixels: Pixels, rows: Edges, columns: Edges) -> Pixels:
    """Return the means of the areas between edges, uint8 h×w×3 of (h + 1,) and (w + 1,) edges in pixels."""
    height, width = pixels.shape[:2]
    across = _weights(columns, width)
    result = np.empty((len(rows) - 1, len(columns) - 1, 3), np.uint8)
    band = max(1, int(AT_ONCE / width / max(1.0, (rows[-1] - rows[0]) / len(result))))
    for start in range(0, len(result), band):
        edges = rows[start : start + band + 1]
        first, last = int(edges[0]), min(int(np.ceil(edges[-1])), height)
        part = pixels[first:last].reshape(last - first, width * 3)
        lines = _weights(edges - first, last - first) @ part.astype(np.float32)
        turned = np.ascontiguousarray(lines.reshape(-1, width, 3).transpose(1, 0, 2)).reshape(width, -1)
        means = np.rint(across @ turned).astype(np.uint8)
        result[start : start + band] = means.reshape(-1, len(edges) - 1, 3).transpose(1, 0, 2)
    return result


def _weights(edges: Edges, length: int) -> csr_array:
    """Return which share of what lies between two edges each of `length` pixels has, float32 (n, length)."""
    low, high = edges[:-1, None], edges[1:, None]
    index = np.floor(low).astype(np.int64) + np.arange(int(np.ceil((high - low).max(initial=0))) + 1)
    share = np.maximum(np.minimum(high, index + 1) - np.maximum(low, index), 0) / np.maximum(high - low, 1e-9)
    kept = (share > 0) & (index < length)
    row = np.broadcast_to(np.arange(len(edges) - 1)[:, None], kept.shape)[kept]
    return csr_array((share[kept].astype(np.float32), (row, index[kept])), shape=(len(edges) - 1, length))
