"""Outlines: annotations as polygons, and the polygons of a mask."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Ring = npt.NDArray[np.float64]
"""Corners (x, y) of a closed line, float64 n×2, the first not repeated."""

Polygon = tuple[Ring, ...]
"""The outer ring, then holes."""

TUMOUR = "Tumor"
"""The class of tumour areas, as QuPath and the CAMELYON challenges spell it."""


@dataclass(frozen=True, eq=False)
class Annotation:
    """An area of a slide.

    Attributes:
        classification: its class, such as "Tumor"; empty where it has none.
        polygons: where it is, in level-0 pixels.
        name: for people.
        colour: red, green and blue, or None.
        measurements: name -> number.
    """

    classification: str
    polygons: tuple[Polygon, ...]
    name: str = ""
    colour: tuple[int, int, int] | None = None
    measurements: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_tumour(self) -> bool:
        """Whether its class means tumour, in the words of QuPath, CAMELYON16 (_0, _1) and CAMELYON17."""
        word = self.classification.lower()
        return word.startswith(("tumor", "tumour", "metasta")) or word in ("_0", "_1", "positive")


def area_of(ring: Ring) -> float:
    """Return the area inside a ring (the shoelace formula): above 0 where x turns towards y, as outer rings do."""
    x, y = ring[:, 0], ring[:, 1]
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def trace(labels: npt.NDArray[np.integer]) -> dict[int, tuple[Polygon, ...]]:
    """Return the outlines of labelled cells along the edges of the cells.

    Cells that touch at a corner only are polygons of their own, and no ring meets itself, so that every polygon is
    valid by the rules of OGC, which QuPath asks for.

    Args:
        labels: integers rows×columns; 0 is outside.

    Returns:
        label -> its polygons, corners as (column, row) of the grid's lines.
    """
    found: dict[int, dict[int, list[Ring]]] = {}
    for label in np.unique(labels[labels > 0]).tolist():
        found[label] = {}
    pieces, _ = ndimage.label(labels > 0)
    for ring, (row, column) in _rings(labels > 0):
        found[int(labels[row, column])].setdefault(int(pieces[row, column]), []).append(ring)
    # The outer ring of a piece is the only one that turns the other way than its holes.
    return {
        label: tuple(tuple(sorted(rings, key=area_of, reverse=True)) for rings in by_piece.values())
        for label, by_piece in found.items()
    }


_MOVES = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])  # right, down, left, up: the inside lies to the right of each


def _rings(mask: npt.NDArray[np.bool_]) -> Iterator[tuple[Ring, tuple[int, int]]]:
    """Yield each closed line between inside and outside, with a cell (row, column) that lies inside along it."""
    columns = mask.shape[1]
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    outside = (padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2])  # above, right, below, left
    starts = ((0, 0), (1, 0), (1, 1), (0, 1))  # corner of the cell, (column, row), where the edge on that side begins
    corners, directions, cells = [], [], []
    for way, (beyond, (dx, dy)) in enumerate(zip(outside, starts, strict=True)):
        row, column = np.nonzero(inside & ~beyond)
        corners.append(np.stack([column + dx, row + dy], axis=1))
        directions.append(np.full(len(row), way))
        cells.append(np.stack([row, column], axis=1))
    corner, direction, cell = np.concatenate(corners), np.concatenate(directions), np.concatenate(cells)
    order = np.argsort(_key(corner, direction, columns), kind="stable")
    corner, direction, cell = corner[order], direction[order], cell[order]
    keys, end = _key(corner, direction, columns), corner + _MOVES[direction]
    following = np.full(len(keys), -1)
    # Where four edges meet, a turn to the right stays with the same cell, which keeps touching cells apart.
    for turn in (3, 0, 1):
        wanted = _key(end, (direction + turn) % 4, columns)
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1) if len(keys) else following
        hit = keys[at] == wanted if len(keys) else np.zeros(0, bool)
        following[hit] = at[hit]
    left, chain = np.ones(len(keys), bool), following.tolist()
    for first in range(len(chain)):
        edges: list[int] = []
        edge = first
        while left[edge]:
            left[edge] = False
            edges.append(edge)
            edge = chain[edge]
        for ring in _simple(edges, corner):
            turns = direction[ring] != direction[np.roll(ring, 1)]
            yield corner[ring][turns].astype(np.float64), (int(cell[first, 0]), int(cell[first, 1]))


def _key(corner: npt.NDArray[np.int64], direction: npt.NDArray[np.int64], columns: int) -> npt.NDArray[np.int64]:
    return np.asarray((corner[:, 1] * (columns + 1) + corner[:, 0]) * 4 + direction)


def _simple(edges: list[int], corner: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Return the edges of a closed line as lines that pass no corner twice."""
    if not edges:
        return []
    places = [tuple(each) for each in corner[edges].tolist()]
    if len(set(places)) == len(places):
        return [np.array(edges)]
    found: list[npt.NDArray[np.int64]] = []
    path: list[int] = []
    seen: dict[tuple[int, ...], int] = {}
    for edge, place in zip(edges, places, strict=True):
        if place in seen:
            start = seen[place]
            found.append(np.array(path[start:]))
            for gone in path[start:]:
                seen.pop(tuple(corner[gone].tolist()), None)
            del path[start:]
        seen[place] = len(path)
        path.append(edge)
    return [*found, np.array(path)]
