"""The report of one slide: figures, pictures and foci in one HTML file."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from core.bundle import INTENDED_USE, Bundle
from core.display import TUMOUR, rgb, to_png
from core.formatting import percent
from core.reports.document import Block, Bullets, Document, Heading, Pairs, Paragraph, Picture, Pictures, Table
from core.slides.analyse import Analysed
from core.slides.measures import Measures, foci_of
from core.slides.slide_map import SlideMap
from core.slides.tissue import Tissue

MOST_FOCI = 50
"""Foci in the report's table; foci.csv has all."""

_CLASSES = {
    "macro": "macrometastasis (2 mm or more)", "micro": "micrometastasis (0.2 to 2 mm)",
    "ITC": "isolated tumour cells (under 0.2 mm)", "negative": "no focus",
}  # fmt: skip


def slide_report(done: Analysed, tissue: Tissue, bundle: Bundle) -> str:
    """Return the report as one HTML file that fetches nothing."""
    blocks: list[Block] = [*_result(done), *_pictures(done, tissue), *_foci(done.measures), *_about(done, bundle)]
    return Document(f"Slide {done.summary['slide']}", blocks).to_html()


def _result(done: Analysed) -> list[Block]:
    told = done.summary
    share, highest = told["tumour_share"], told["highest_probability"]
    rows: list[tuple[str, object]] = [
        ("Tissue", f"{told['tissue_mm2']:.2f} mm²"),
        ("Tumour", f"{told['tumour_mm2']:.3f} mm²" + ("" if share is None else f", {share:.2%} of the tissue")),
        ("Foci", f"{told['foci']:,}, each of {told['least_mm2']:g} mm² or more"),
        ("Longest focus", f"{told['longest_mm']:.2f} mm: {_CLASSES[told['longest_class']]}"),
        ("Highest probability", "none" if highest is None else percent(highest)),
        ("Out-of-distribution", _share(told["ood_share"], told["examined"])),
        ("Blurred", _share(told["blur_share"], told["examined"])),
        ("Ink of a pen", f"{told['pen_mm2']:.1f} mm², left out"),
    ]
    notes = [Paragraph(note, "warning") for note in told["notes"]]
    return [*notes, Heading(2, "Result"), Pairs(rows)]


def _share(share: float | None, examined: int) -> str:
    return "not examined" if share is None else f"{share:.1%} of {examined:,} patches that were examined"


def _pictures(done: Analysed, tissue: Tissue) -> list[Block]:
    heat = to_png(heat_overlay(done.thumbnail, done.found, done.measures, done.summary["width"]))
    found = to_png(tissue_picture(tissue, longest=max(done.thumbnail.shape)))
    return [
        Heading(2, "Pictures"),
        Pictures(
            [
                Picture(heat, "Probability of tumour over the slide", "Red: tumour, the redder the more probable."),
                Picture(found, "Tissue outlined", "What was predicted is outlined in green; ink is yellow, hatched."),
            ]
        ),
    ]


def _foci(measures: Measures) -> list[Block]:
    if not measures.foci:
        return []
    head = ("", "x", "y", "Probability", "Mean", "mm²", "Longest, mm")
    rows = [
        (
            str(number), f"{focus.at[0]:,.0f}", f"{focus.at[1]:,.0f}", percent(focus.probability),
            percent(focus.mean), f"{focus.area_mm2:.4f}", f"{focus.longest_mm:.3f}",
        )
        for number, focus in enumerate(measures.foci[:MOST_FOCI], 1)
    ]  # fmt: skip
    more = len(measures.foci) - len(rows)
    rest = [Paragraph(f"{more:,} more are in foci.csv.", "quiet")] if more else []
    return [Heading(2, "Foci"), Table(head, rows), *rest]


def _about(done: Analysed, bundle: Bundle) -> list[Block]:
    told = done.summary
    rule = (
        f"Connected cells from a probability of {told['threshold']:.3f} on, with one from "
        f"{max(told['peak_threshold'], told['threshold']):.3f} on among them."
    )
    rows: list[tuple[str, object]] = [
        ("Slide", f"{told['width']:,}×{told['height']:,} pixels of {told['mpp']:.4g} µm"),
        ("Model", f"{bundle.card.name} ({bundle.digest}), by {told['engine']}"),
        ("Cells", f"{told['step']}×{told['step']} pixels at 0.97 µm, each the middle of one 96×96 patch"),
        ("Called tumour", rule),
        ("Time", f"{told['seconds']:.0f} s for {told['megapixels']:.1f} million pixels of tissue"),
        ("Intended use", INTENDED_USE),
    ]
    limits = (
        "Places are level-0 pixels from the slide's upper left corner; areas.geojson counts from the scanned area, as "
        "QuPath does.",
        "The class follows from the longest connected focus on this one slide; it is no staging.",
    )
    return [Heading(2, "About"), Pairs(rows), Bullets(limits)]


def heat_overlay(
    picture: npt.NDArray[np.uint8], found: SlideMap, measures: Measures, width: int
) -> npt.NDArray[np.uint8]:
    """Return a picture of a whole slide, uint8 H×W×3, with its areas red over it, and their outlines.

    `width` is that of the slide in level-0 pixels.
    """
    scale = width / picture.shape[1]
    x, y = ((np.arange(count) + 0.5) * scale for count in (picture.shape[1], picture.shape[0]))
    fewest = measures.rule.least_mm2 / found.cell_mm**2
    in_foci = foci_of(found.probability, measures.rule, fewest=fewest) > 0
    shown = replace(found, probability=np.where(in_foci, found.probability, np.float16(0)))
    alpha = 0.6 * np.nan_to_num(shown.at(x, y))[..., None]
    mixed = Image.fromarray(np.rint(picture * (1 - alpha) + np.array(rgb(TUMOUR)) * alpha).astype(np.uint8))
    draw = ImageDraw.Draw(mixed)
    for focus in measures.foci:
        for polygon in focus.polygons:
            for ring in polygon:
                closed = np.concatenate([ring, ring[:1]]) / scale
                draw.line([(x, y) for x, y in closed.tolist()], fill=TUMOUR)
    return np.asarray(mixed)


def tissue_picture(tissue: Tissue, *, longest: int) -> npt.NDArray[np.uint8]:
    """Return the slide with its tissue outlined in green and its ink hatched in yellow, uint8 H×W×3.

    Its longer side has at most `longest` pixels.
    """
    every = max(1, -(-max(tissue.mask.shape) // longest))
    picture = tissue.picture[::every, ::every].copy()
    mask, pen = tissue.mask[::every, ::every], tissue.pen[::every, ::every]
    picture[mask ^ ndimage.binary_erosion(mask)] = (0, 120, 60)
    rows, columns = np.nonzero(pen)
    hatched = (rows + columns) % 4 < 2
    picture[rows[hatched], columns[hatched]] = (240, 200, 0)
    return picture
