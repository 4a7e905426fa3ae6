"""Painting a canvas: from the layout to concentrations of haematoxylin and eosin.

A canvas is built from below: fibres and ground substance, then cell bodies, then nuclei. Everything is a
concentration, so what lies on top of each other in the section adds up; colour comes only with
:func:`core.data.demo.stains.mix`.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.data.demo.blobs import Blobs, cover, grow, scatter
from core.data.demo.fields import Field, Mask, enlarge, fibres, fractal, noise, ramp
from core.data.demo.nuclei import (
    CENTROBLAST,
    FIBROBLAST,
    HISTIOCYTE,
    LYMPHOCYTE,
    NucleusKind,
    paint_nuclei,
    shape_blobs,
)
from core.data.demo.stains import Stain, mix, scan
from core.data.demo.tissue import Layout, Recipe, lay_out

_NUCLEAR_EOSIN = 0.3
"""Eosin that nuclei take up, relative to their haematoxylin: nuclei are purple rather than blue."""


@dataclass(frozen=True)
class Canvas:
    """A painted piece of a slide.

    Attributes:
        image: RGB, H×W×3 uint8.
        tumour: Ground truth, H×W bool, True where tumour.
    """

    image: NDArray[np.uint8]
    tumour: Mask


@dataclass
class _Paint:
    """Concentrations under construction, and the noise that all layers share.

    Mirrored and transposed, one slow field serves several purposes: a field for each costs more time.
    """

    size: int
    rng: np.random.Generator
    haematoxylin: Field
    eosin: Field
    fine: Field
    medium: Field
    slow: Field

    def scatter(self, chance: Field, *, spacing: float, jitter: float = 0.22) -> NDArray[np.float32]:
        return scatter(self.rng, chance=chance, spacing=spacing, jitter=jitter, warp=5 * self.slow)

    def nuclei(self, kind: NucleusKind, blobs: Blobs, *, translucent: float = 0.35) -> None:
        """Lay nuclei over what is there; `translucent` is the share of what lies below that still counts."""
        density, covered = paint_nuclei(self.rng, kind, blobs, size=self.size, chromatin=self.fine)
        self.haematoxylin *= 1 - (1 - translucent) * covered
        self.haematoxylin += density
        self.eosin *= 1 - (1 - translucent) * covered
        self.eosin += np.float32(_NUCLEAR_EOSIN) * density


def paint_canvas(rng: np.random.Generator, *, size: int, recipe: Recipe, stain: Stain) -> Canvas:
    """Lay out, paint and scan one canvas of size×size pixels."""
    layout = lay_out(rng, size=size, recipe=recipe)
    paint = _Paint(
        size=size,
        rng=rng,
        haematoxylin=np.zeros((size, size), np.float32),
        eosin=np.zeros((size, size), np.float32),
        fine=fractal(rng, size=size, scales=(0.7, 1.3)),
        medium=noise(rng, size=size, scale=2.6),
        slow=noise(rng, size=size, scale=26.0),
    )
    _stroma(paint, layout)
    _fat(paint, layout)
    _sinus(paint, layout, recipe)
    _tumour(paint, layout, recipe)
    _lymphoid(paint, layout, recipe)
    _thickness(paint)
    image = scan(mix(paint.haematoxylin, paint.eosin, stain), stain, rng)
    return Canvas(image=image, tumour=layout.tumour_mask)


def _stroma(paint: _Paint, layout: Layout) -> None:
    """Pink wavy fibres with cracks, and spindle nuclei."""
    wide, narrow = (noise(paint.rng, size=paint.size, scale=scale) for scale in (30.0, 8.0))
    bend = np.asarray(13 * wide + 2.5 * narrow, np.float32)
    strands = fibres(paint.rng, size=paint.size, direction=bend, width=1.1, length=12.0)
    half = np.asarray(bend[::2, ::2] / 2, np.float32)
    coarse = fibres(paint.rng, size=len(half), direction=half, width=2.0, length=22.0)
    bundles = enlarge(np.pad(coarse, (0, 1), mode="edge"), step=2, size=paint.size)
    shade = np.clip(0.55 + 0.2 * strands + 0.25 * bundles + 0.22 * paint.slow[::-1], 0.03, 1.8)
    where = layout.stroma + 0.15 * layout.sinus
    paint.eosin += where * shade
    paint.haematoxylin += 0.12 * where * shade
    centre = paint.scatter(0.75 * layout.stroma, spacing=14.0, jitter=0.35)
    slope = _slope(bend, centre)
    paint.nuclei(FIBROBLAST, shape_blobs(paint.rng, FIBROBLAST, centre, angle=slope))


def _slope(bend: Field, centre: NDArray[np.float32]) -> NDArray[np.float32]:
    at = np.clip(np.rint(centre), 1, bend.shape[0] - 2).astype(int)
    down = bend[at[:, 0] + 1, at[:, 1]] - bend[at[:, 0] - 1, at[:, 1]]
    right = bend[at[:, 0], at[:, 1] + 1] - bend[at[:, 0], at[:, 1] - 1]
    return np.asarray(np.arctan2(-right, 2 + down), np.float32)


def _fat(paint: _Paint, layout: Layout) -> None:
    """The thin pink walls of the fat cells; the cells themselves are empty."""
    wall = ramp(layout.fat, low=0.02, high=0.35) * ramp(-layout.fat, low=-0.98, high=-0.65)
    paint.eosin += wall * np.clip(0.55 + 0.2 * paint.medium, 0, None)
    paint.haematoxylin += 0.15 * wall


def _sinus(paint: _Paint, layout: Layout, recipe: Recipe) -> None:
    """Histiocytes with pale foamy cytoplasm between holes."""
    centre = paint.scatter(0.9 * layout.sinus, spacing=14.5, jitter=0.25)
    blobs = shape_blobs(paint.rng, HISTIOCYTE, centre)
    _cytoplasm(
        paint,
        layout.sinus,
        grow(blobs, factor=1.6),
        eosin=0.42,
        haematoxylin=0.12,
        gaps=0.2 + 0.8 * recipe.looseness,
    )
    paint.nuclei(HISTIOCYTE, blobs)
    few = paint.scatter(0.33 * layout.sinus, spacing=8.6)
    paint.nuclei(LYMPHOCYTE, shape_blobs(paint.rng, LYMPHOCYTE, few))


def _tumour(paint: _Paint, layout: Layout, recipe: Recipe) -> None:
    """Large cells in nests: abundant cytoplasm with borders, and overlapping pleomorphic nuclei."""
    kind = recipe.tumour_nucleus
    spacing = kind.diameter * recipe.crowding
    centre = paint.scatter(layout.tumour, spacing=spacing, jitter=0.26)
    blobs = shape_blobs(paint.rng, kind, centre)
    _cytoplasm(
        paint,
        layout.tumour,
        grow(blobs, factor=1.45),
        eosin=recipe.cytoplasm_eosin,
        haematoxylin=recipe.cytoplasm_haematoxylin,
        gaps=0.7 * recipe.looseness,
    )
    above = paint.rng.random(len(blobs)) < 0.35
    for chosen in (~above, above):
        layer = Blobs(*(getattr(blobs, each.name)[chosen] for each in fields(Blobs)))
        paint.nuclei(kind, layer, translucent=0.6)
    guests = paint.scatter(recipe.infiltration * layout.tumour, spacing=8.8)
    paint.nuclei(LYMPHOCYTE, shape_blobs(paint.rng, LYMPHOCYTE, guests))


def _lymphoid(paint: _Paint, layout: Layout, recipe: Recipe) -> None:
    """Dense lymphocytes, here and there a germinal centre, in a thin torn ground."""
    rng = paint.rng
    follicle = ramp(paint.slow.T, low=0.9, high=1.3) * layout.lymphoid
    loose = ramp(paint.slow[:, ::-1], low=-0.2, high=2.4) * (0.1 + 0.6 * recipe.looseness)
    small = paint.scatter((layout.lymphoid - 0.85 * follicle) * (1 - loose) + 0.1 * layout.stroma, spacing=7.2)
    large = paint.scatter(0.9 * follicle, spacing=10.5)
    torn = np.clip(0.95 + 0.35 * paint.medium - 0.75 * recipe.looseness, 0.05, 1.4)
    paint.eosin += layout.lymphoid * torn * 0.6
    paint.haematoxylin += layout.lymphoid * torn * 0.25
    paint.nuclei(CENTROBLAST, shape_blobs(rng, CENTROBLAST, large))
    paint.nuclei(LYMPHOCYTE, shape_blobs(rng, LYMPHOCYTE, small))


def _cytoplasm(paint: _Paint, where: Field, cells: Blobs, *, eosin: float, haematoxylin: float, gaps: float) -> None:
    """Fill cells with cytoplasm of a shade of their own, with membranes or light gaps between them."""
    found = cover(cells, size=paint.size)
    shade = np.append(paint.rng.normal(1.0, 0.16, len(cells)), 0.7).astype(np.float32)[found.owner]
    edge = np.zeros(found.owner.shape, np.float32)
    edge[1:, 1:] = (found.owner[1:, 1:] != found.owner[:-1, 1:]) | (found.owner[1:, 1:] != found.owner[1:, :-1])
    border = np.clip(1.6 * ndimage.uniform_filter(edge, 3), 0, 1)
    # Torn apart, cells have light gaps between them; elsewhere membranes, darker than the cells.
    torn = np.clip(gaps, 0, 1) * ramp(paint.medium, low=-0.9, high=0.9)
    body = shade * (1 + 0.10 * paint.fine + 0.13 * paint.medium) * (1 + border * (0.35 - 1.3 * torn))
    body = np.clip(body, 0.02, 2.0)
    paint.eosin += where * body * np.float32(eosin)
    paint.haematoxylin += where * body * np.float32(haematoxylin)


def _thickness(paint: _Paint) -> None:
    """Let the section's thickness vary a little; no concentration is negative."""
    thickness = np.clip(1 + 0.08 * paint.slow.T[::-1], 0.7, 1.3)
    paint.haematoxylin = np.clip(paint.haematoxylin, 0, None) * thickness
    paint.eosin = np.clip(paint.eosin, 0, None) * thickness
