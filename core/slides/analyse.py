"""One slide from its file to its folder: map, areas, foci, summary and thumbnail.

``map.npz`` is written once all cells are predicted; everything else follows from it and is written anew each time, so
that another threshold costs seconds. While cells are predicted, finished blocks lie in ``work/blocks``.
"""

import csv
import io
import time
from dataclasses import dataclass
from functools import partial
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.display import to_jpeg
from core.errors import ConfigError, DataError
from core.formatting import NOT_A_DEVICE
from core.job import Job
from core.prediction.engine import WORDS, alike, is_rounded
from core.prediction.predictor import Predictor
from core.progress import Progress, no_progress
from core.scoring.chunks import ChunkCache
from core.slides.geojson import to_geojson
from core.slides.infer import STANDS, infer, journal
from core.slides.measures import Measures, Rule, class_of, measure
from core.slides.plan import Grid
from core.slides.reader import Slide
from core.slides.slide_map import SlideMap
from core.slides.tissue import Tissue, find_tissue
from core.storage import atomic
from core.storage.schema import parse

THUMBNAIL = 1024
"""Longest side of the thumbnail in pixels."""

NO_TISSUE = "No tissue was found on this slide, so there is nothing to measure; look at its thumbnail."


class SlideJob(Job):
    """The folder ``work`` in a slide's folder: state, lock and request to stop of the process that works on it."""

    noun = "slide"

    @classmethod
    def of(cls, folder: Path) -> "SlideJob":
        """Return the job of a slide's folder."""
        return cls(folder / "work")

    @property
    def name(self) -> str:
        """The slide's name."""
        return self.path.parent.name


@dataclass(frozen=True, eq=False)
class SlidePlan:
    """What is to be done on a slide.

    Attributes:
        path: its file.
        slide: the same, open.
        mpp: µm per level-0 pixel.
        grid: its cells.
        tissue: where there is tissue.
        cells: bool rows×columns, which cells are predicted.
    """

    path: Path
    slide: Slide
    mpp: float
    grid: Grid
    tissue: Tissue
    cells: npt.NDArray[np.bool_]

    @property
    def megapixels(self) -> float:
        """Tissue in millions of pixels at the model's scale."""
        return float(self.cells.sum()) * self.grid.step**2 / 1e6


@dataclass(frozen=True, eq=False)
class Analysed:
    """A slide that is done.

    Attributes:
        summary: what ``summary.json`` holds.
        found: its map.
        measures: what was measured.
        thumbnail: uint8 H×W×3, the whole slide.
    """

    summary: dict[str, Any]
    found: SlideMap
    measures: Measures
    thumbnail: npt.NDArray[np.uint8]


def plan_slide(path: Path, slide: Slide, *, step: int = 32, mpp: float | None = None) -> SlidePlan:
    """Find the tissue of an open slide and the cells that are predicted.

    Args:
        path: its file.
        slide: the same, open.
        step: side of a cell in model pixels.
        mpp: µm per level-0 pixel, which goes before what the file says.

    Raises:
        DataError: µm per pixel are not known, or the slide is damaged or too small.
        ConfigError: a value is out of its range.
    """
    known = slide.mpp(mpp)
    grid = Grid.of(slide.size, known, step, name=slide.name)
    tissue = find_tissue(slide, known)
    return SlidePlan(path, slide, known, grid, tissue, grid.tissue_cells(tissue))


def analyse(
    plan: SlidePlan,
    folder: Path,
    predictor: Predictor,
    *,
    threshold: float | None = None,
    fresh: bool = False,
    progress: Progress = no_progress,
) -> Analysed:
    """Predict and measure a slide and write its folder.

    Args:
        plan: what is to be done.
        folder: where it is written.
        predictor: the bundle on its device.
        threshold: decision threshold; None takes the bundle's for slides.
        fresh: predict again, although there is a map.
        progress: receives the finished share; what it raises ends the work, and the next call continues it.

    Raises:
        DataError: the slide is damaged, or what an earlier attempt left.
        ConfigError: the threshold lies outside [0, 1], or the folder holds another slide.
        BundleError: the network cannot make such a map.
        StorageError: something cannot be written.
    """
    started = time.perf_counter()
    rule = Rule.of(predictor.bundle.card, threshold)
    before = read_summary(folder) or {}
    if before.get("slide", plan.slide.name) != plan.slide.name:
        raise ConfigError(f"{folder} holds the results of {before['slide']}; give {plan.slide.name} another --out.")
    journal_of = partial(journal, folder / "work" / "blocks", plan.path, plan.grid, plan.cells, predictor)
    keep = journal_of()
    # Blocks go on with the engine that began them; a finished map stands, whichever exact one made it. A key is worked
    # out only if those before do not fit: it is of all cells.
    others = (journal_of(kind=kind, version=version) for version, kind in product(STANDS, alike(predictor.kind)))
    found = None if fresh else SlideMap.load(folder)
    if found is None or all(found.key != each.key for each in chain((keep,), others)):
        found, seconds = _map_of(plan, predictor, keep, progress)
        found.save(folder)
    else:
        seconds, started = before.get("seconds", 0.0), time.perf_counter()
        progress(1.0)
    measures = measure(found, rule)
    # What was predicted by an attempt that ended is in `seconds`; what this one did is in it and on the clock.
    seconds = max(seconds, time.perf_counter() - started)
    thumbnail = overview(plan.slide, THUMBNAIL)
    summary = _summary(plan, found, measures, predictor, seconds)
    annotations = [focus.annotation(number) for number, focus in enumerate(measures.foci, 1)]
    atomic.write_text(folder / "areas.geojson", to_geojson(annotations, bounds=plan.slide.bounds))
    atomic.write_text(folder / "foci.csv", foci_csv(measures))
    atomic.write_bytes(folder / "thumbnail.jpg", to_jpeg(thumbnail, quality=85))
    atomic.write_json(folder / "summary.json", summary)
    keep.forget()
    return Analysed(summary, found, measures, thumbnail)


def read_summary(folder: Path) -> dict[str, Any] | None:
    """Return what ``summary.json`` of a slide's folder holds, or None before it is written.

    Raises:
        DataError: it is damaged.
    """
    try:
        value = parse((folder / "summary.json").read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / 'summary.json'} is damaged ({error}). Delete it and start again.") from error
    if not isinstance(value, dict):
        raise DataError(f"{folder / 'summary.json'} is damaged (no table). Delete it and start again.")
    return value


def overview(slide: Slide, longest: int) -> npt.NDArray[np.uint8]:
    """Return the whole slide, uint8 H×W×3, with at most `longest` pixels on its longer side."""
    width, height = slide.size
    scale = max(1.0, max(width, height) / longest)
    return slide.read(0, 0, max(1, round(width / scale)), max(1, round(height / scale)), scale=scale)


def foci_csv(measures: Measures) -> str:
    """Return the foci as CSV, the most probable first: level-0 place of the most probable cell, and measures."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["x", "y", "probability", "area_mm2", "longest_mm"])
    for focus in measures.foci:
        x, y = (round(each, 2) for each in focus.at)
        writer.writerow([x, y, round(focus.probability, 6), round(focus.area_mm2, 6), round(focus.longest_mm, 4)])
    return buffer.getvalue()


def _map_of(plan: SlidePlan, predictor: Predictor, keep: ChunkCache, progress: Progress) -> tuple[SlideMap, float]:
    result = infer(plan.slide, plan.grid, plan.cells, predictor, keep=keep, progress=progress)
    pen = float(plan.tissue.pen.sum()) * (plan.tissue.scale * plan.mpp / 1000) ** 2
    return SlideMap(
        result.probability, plan.grid.origin, plan.grid.side, plan.mpp, predictor.bundle.digest,
        result.ood.astype(np.float16), result.examined, result.unlike, result.blurred, round(pen, 6), keep.key,
        predictor.kind,
    ), result.seconds  # fmt: skip


def _summary(
    plan: SlidePlan, found: SlideMap, measures: Measures, predictor: Predictor, seconds: float
) -> dict[str, Any]:
    longest, share = measures.longest_mm, measures.tumour_share
    looked_at = found.pen_mm2 + measures.tissue_mm2
    return {
        "slide": plan.slide.name,
        "width": plan.slide.size[0],
        "height": plan.slide.size[1],
        "mpp": plan.mpp,
        "bounds": list(plan.slide.bounds),
        "bundle": found.bundle,
        "bundle_name": predictor.bundle.card.name,
        "engine": WORDS.get(found.engine, "PyTorch"),
        "step": plan.grid.step,
        "tissue_mm2": round(measures.tissue_mm2, 6),
        "tumour_mm2": round(measures.tumour_mm2, 6),
        "tumour_share": None if share is None else round(share, 6),
        "foci": len(measures.foci),
        "longest_mm": round(longest, 4),
        "longest_class": class_of(longest),
        "highest_probability": None if measures.highest is None else round(measures.highest, 6),
        "ood_share": round(found.unlike / found.examined, 6) if found.examined else None,
        "blur_share": round(found.blurred / found.examined, 6) if found.examined else None,
        "examined": found.examined,
        "pen_mm2": found.pen_mm2,
        "pen_share": round(found.pen_mm2 / looked_at, 6) if looked_at else None,
        "threshold": measures.rule.threshold,
        "peak_threshold": measures.rule.peak,
        "least_mm2": measures.rule.least_mm2,
        "seconds": round(seconds, 2),
        "megapixels": round(plan.megapixels, 3),
        "notes": _notes(found, measures),
        "disclaimer": NOT_A_DEVICE,
    }


def _notes(found: SlideMap, measures: Measures) -> list[str]:
    """Return what has to be known about the figures, a sentence each."""
    if not measures.tissue_mm2:
        return [NO_TISSUE]
    notes = [f"Predicted by {WORDS[found.engine]}."] if is_rounded(found.engine) else []
    share = found.unlike / found.examined if found.examined else 0.0
    if share > MOST_UNLIKE:
        notes.append(
            f"Out-of-distribution: {share:.0%} of {found.examined:,} patches examined are unlike those that the model "
            "was trained on. Do not rely on the areas: it may be another tissue, stain or scanner."
        )
    if found.blurred > max(0.05 * found.examined, 4):  # of a handful of patches one or two say nothing
        notes.append(f"{found.blurred / found.examined:.0%} of the patches examined are blurred; scan them again.")
    if found.pen_mm2:
        notes.append(f"{found.pen_mm2:.1f} mm² are covered by ink of a pen and were left out.")
    return notes


MOST_UNLIKE = 0.15
"""Share of patches that are out of distribution from which on the slide is; 2.5 % are by the limit's own definition."""
