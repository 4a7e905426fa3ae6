"""Layout: where a canvas is tumour, lymphoid tissue, sinus, stroma, fat or empty glass."""

from dataclasses import dataclass, replace

import numpy as np

from core.data.demo.blobs import cover, scatter
from core.data.demo.fields import Field, Mask, above_share, fractal, noise, ramp
from core.data.demo.nuclei import TUMOUR, NucleusKind, shape_blobs

FAT_CELL = NucleusKind(diameter=50.0, diameter_spread=0.08, elongation=1.12, irregularity=0.06)
"""The outline of a fat cell; it is drawn empty."""


@dataclass(frozen=True)
class Recipe:
    """What one slide's tissue is like; the same for all canvases of the slide.

    Attributes:
        tumour_share: Share of the canvas that tumour nests take, in (0, 1).
        nest_scale: Size of the nests: correlation length of their field in pixels.
        sinus_share: Share of the rest that is sinus.
        stroma_share: Share of the rest that is fibrous stroma.
        fat_share: Share of the rest that is fat.
        desmoplasia: How much stroma gathers around the nests, in [0, 1].
        looseness: How far cells are torn apart by preparation, in [0, 1].
        cytoplasm_eosin: Eosin concentration of the tumour cells' cytoplasm.
        cytoplasm_haematoxylin: Haematoxylin concentration of the tumour cells' cytoplasm.
        crowding: Distance of tumour nuclei relative to their diameter.
        infiltration: Density of lymphocytes among tumour cells, relative to lymphoid tissue.
        tumour_nucleus: Look of the slide's tumour nuclei.
    """

    tumour_share: float
    nest_scale: float
    sinus_share: float
    stroma_share: float
    fat_share: float
    desmoplasia: float
    looseness: float
    cytoplasm_eosin: float
    cytoplasm_haematoxylin: float
    crowding: float
    infiltration: float
    tumour_nucleus: NucleusKind


def draw_recipe(rng: np.random.Generator) -> Recipe:
    """Draw one slide's tissue; ranges were chosen by eye against real lymph-node patches."""
    return Recipe(
        tumour_share=rng.uniform(0.30, 0.45),
        nest_scale=rng.uniform(20, 42),
        sinus_share=rng.uniform(0.08, 0.25),
        stroma_share=rng.uniform(0.12, 0.30),
        fat_share=rng.uniform(0.04, 0.22),
        desmoplasia=rng.uniform(0, 1),
        looseness=rng.beta(1.3, 1.7),
        cytoplasm_eosin=rng.uniform(0.4, 0.85),
        cytoplasm_haematoxylin=rng.uniform(0.04, 0.28),
        crowding=rng.uniform(1.0, 1.4),
        infiltration=rng.uniform(0.02, 0.2),
        tumour_nucleus=replace(
            TUMOUR,
            diameter=rng.uniform(12.0, 16.5),
            density=rng.uniform(0.8, 1.3),
            clearing=rng.uniform(0.25, 0.55),
            irregularity=rng.uniform(0.06, 0.18),
            elongation=rng.uniform(1.15, 1.5),
            nucleoli=rng.uniform(0.5, 1.3),
        ),
    )


@dataclass(frozen=True)
class Layout:
    """Soft maps of one canvas, each H×W float32 in [0, 1]; they sum to 1 in every pixel.

    Attributes:
        tumour: Tumour nests.
        lymphoid: Dense lymphocytes.
        sinus: Sinuses with histiocytes.
        stroma: Fibrous tissue.
        fat: Fat cells.
        glass: Empty glass outside the section.
    """

    tumour: Field
    lymphoid: Field
    sinus: Field
    stroma: Field
    fat: Field
    glass: Field

    @property
    def tumour_mask(self) -> Mask:
        """The ground truth: where tumour covers more than half of the pixel."""
        return self.tumour > 0.5


def lay_out(rng: np.random.Generator, *, size: int, recipe: Recipe) -> Layout:
    """Lay out one canvas of size×size pixels by cutting smooth random fields at the shares of the recipe."""
    ragged = 0.10 * noise(rng, size=size, scale=3.0)
    outside = fractal(rng, size=size, scales=(110.0, 30.0)) + ragged / 3
    glass = _region(np.asarray(outside, np.float32), share=0.025)
    nests = fractal(rng, size=size, scales=(recipe.nest_scale, recipe.nest_scale)) + ragged
    nests += 1.2 * noise(rng, size=size, scale=110.0) - 3 * glass
    level = above_share(nests, share=recipe.tumour_share)
    tumour = ramp(nests, low=level - 0.06, high=level + 0.06)
    rest = 1 - recipe.tumour_share
    # Fields have a standard deviation of 1: less 3 where another region is, they stay below their own cut there.
    fat = _fat_cells(rng, noise(rng, size=size, scale=45.0) - 3 * glass - 1.5 * tumour, recipe.fat_share * rest)
    tumour = tumour * (1 - fat)
    near = np.asarray(np.exp(-(((nests - level + 0.25) / 0.3) ** 2)), np.float32)
    fibrous = noise(rng, size=size, scale=32.0) + 1.5 * recipe.desmoplasia * near
    stroma = _region(fibrous + ragged - 3 * (glass + fat + tumour), share=recipe.stroma_share * rest)
    hollow = noise(rng, size=size, scale=26.0) + 1.5 * ragged - 3 * (glass + fat + tumour + stroma)
    sinus = _region(hollow, share=recipe.sinus_share * rest)
    return _stack(glass, tumour, fat, stroma, sinus)


def _region(field: Field, *, share: float) -> Field:
    level = above_share(field, share=share)
    return ramp(field, low=level - 0.08, high=level + 0.08)


def _fat_cells(rng: np.random.Generator, field: Field, share: float) -> Field:
    """Fill the region where the field is highest with fat cells: round holes with thin walls between."""
    size = field.shape[0]
    where = (field > above_share(field, share=share)).astype(np.float32)
    centre = scatter(rng, chance=where, spacing=0.98 * FAT_CELL.diameter, jitter=0.06)
    found = cover(shape_blobs(rng, FAT_CELL, centre), size=size)
    return ramp(-found.rho, low=-1.02, high=-0.93)


def _stack(glass: Field, tumour: Field, fat: Field, stroma: Field, sinus: Field) -> Layout:
    """Give every region what the regions above it leave; lymphoid tissue takes the remainder."""
    left = np.ones_like(glass)
    regions = {}
    for name, region in {"glass": glass, "tumour": tumour, "fat": fat, "stroma": stroma, "sinus": sinus}.items():
        regions[name] = region * left
        left = left - regions[name]
    return Layout(**regions, lymphoid=left)
