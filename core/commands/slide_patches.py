"""``python -m core slide-patches``: from annotated slides to a data set of labelled patches."""

import sys
from collections import Counter
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import pandas as pd

from core.commands import options
from core.commands.output import progress_line
from core.commands.slide import can_begin
from core.display import to_png
from core.errors import DataError, NodescopeError, Problem
from core.formatting import printable
from core.images.patch import MICROMETRES_PER_PIXEL
from core.slides.analyse import plan_slide
from core.slides.annotations import read_annotations
from core.slides.cut import cut, drawn, labels_of
from core.slides.folders import annotations_of, mpp_given, slides_of
from core.slides.measures import Rule, foci_of
from core.slides.plan import Grid
from core.slides.reader import Slide, given_mpp
from core.slides.slide_map import SlideMap
from core.storage import atomic
from core.storage.spreadsheet import table_csv

TABLE = "patches.csv"
COLUMNS = ("path", "label", "slide", "x", "y", "mpp")


@options.command("slide-patches")
@click.argument("slides", nargs=-1, required=True, type=options.PATH, metavar="SLIDE...")
@options.option(
    "--annotations",
    type=options.PATH,
    metavar="DIR",
    show_default="beside each slide",
    help="Outlines of tumour, a file of each slide's name: GeoJSON (QuPath), XML (ASAP) or JSON (NCRF).",
)
@options.out("New folder for the data set.", metavar="DIR", required=True)
@options.option("--per-slide", type=click.IntRange(1, 100_000), default=500, help="Patches of each class, at most.")
@options.option("--normal", is_flag=True, help="Slides without outlines have no tumour; else they are left out.")
@options.option("--results", type=options.PATH, metavar="DIR", help="What `slide --out` made: half of the normal "
                "patches come first from where the model called tumour wrongly.")  # fmt: skip
@options.option("--mpp", metavar="X|CSV", help="µm per pixel, as of `slide`.")
@options.option("--seed", type=int, default=0, help="Of the draw.")
def command(
    slides: tuple[Path, ...],
    annotations: Path | None,
    out: Path,
    per_slide: int,
    normal: bool,
    results: Path | None,
    mpp: str | None,
    seed: int,
) -> int:
    """Cut labelled 96×96 patches from slides, as many with tumour in their centre as without.

    A folder stands for its slides. DIR gets a PNG for each patch and a table with slide and place; Browse and Train
    open it as it is. The same command goes on where it was stopped: slides that stand in the table are not cut again.
    """
    given, table, paths = mpp_given(mpp), _stored(out), slides_of(slides)
    stems, known, problems = Counter(path.stem for path in paths), set(table["slide"]), list[Problem]()
    for path in paths:
        if not can_begin(path, stems, problems):
            continue
        if path.name in known:
            print(f"{printable(path.name)}: was cut before")
            continue
        try:
            rows = _cut(path, out, annotations, results, per_slide, normal, given_mpp(path.name, given), seed)
        except NodescopeError as error:
            print(f"failed: {path}: {error}", file=sys.stderr)
            problems.append(Problem(path.name, str(error)))
            continue
        table = pd.concat([table, rows], ignore_index=True).astype({"label": int})
        # After its pictures: a slide stands in the table once all of them are there.
        atomic.write_text(out / TABLE, table_csv(table, names=("path", "slide")))
        print(
            f"{printable(path.name)}: {int(rows['label'].sum())} with tumour, {int((rows['label'] == 0).sum())} without"
        )
    if not len(table):
        raise DataError(f"No patch was cut, so that {out} is no data set. See the reasons above.")
    return 1 if problems else 0


def _stored(out: Path) -> pd.DataFrame:
    """Return the table of an earlier attempt, or an empty one. Raises :class:`DataError` if it is another's."""
    path = out / TABLE
    if not path.is_file():
        if out.is_dir() and any(out.glob("*.csv")):
            raise DataError(f"{out} holds another data set already; choose a new folder.")
        return pd.DataFrame({name: [] for name in COLUMNS})
    try:
        found = pd.read_csv(path, dtype={"path": str, "slide": str})
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}). Choose a new folder.") from error
    if tuple(found.columns) != COLUMNS:
        raise DataError(f"{path} has the columns {', '.join(found.columns)}; choose a new folder.")
    return found


def _cut(
    path: Path, out: Path, annotations: Path | None, results: Path | None, most: int, normal: bool, mpp: float | None,
    seed: int,
) -> pd.DataFrame:  # fmt: skip
    """Cut the patches of one slide and return its rows of the table."""
    file = annotations_of(path) if annotations is None else annotations_of(annotations / path.name)
    with Slide(path) as slide:
        if file is None and not normal:
            raise DataError(
                f"There are no outlines of {printable(path.name)} in {annotations or path.parent}. If it has no "
                "tumour, give --normal."
            )
        plan = plan_slide(path, slide, mpp=mpp)
        outlines = [] if file is None else read_annotations(file, bounds=slide.bounds)
        labels = labels_of(plan.grid, plan.cells, outlines)
        if not (labels >= 0).any():
            raise DataError("No tissue was found on it.")
        cells = drawn(labels, most=most, seed=seed, hard=None if results is None else _called(results, path, plan.grid))
        folder, rows = out / path.stem, []
        line = progress_line(slide.name)
        for number, each in enumerate(cut(slide, plan.grid, labels, cells), start=1):
            name = f"{path.stem}_{round(each.x)}_{round(each.y)}"
            atomic.write_bytes(folder / f"{name}.png", to_png(each.pixels))
            rows.append((f"{path.stem}/{name}.png", each.label, path.name, round(each.x, 2), round(each.y, 2),
                         MICROMETRES_PER_PIXEL))  # fmt: skip
            line(number / len(cells))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _called(results: Path, path: Path, grid: Grid) -> npt.NDArray[np.bool_]:
    """Return the cells, rows×columns, where the model whose results these are called tumour.

    Raises:
        DataError: there are no results of this slide.
    """
    found = SlideMap.load(results / path.stem)
    if found is None:
        raise DataError(f"{results} has no results of {printable(path.name)}; run `slide --out` first.")
    values = found.probability.astype(np.float64)
    called = foci_of(values, Rule(0.5), fewest=1) > 0
    # The map may have another step or scale than the patches that are cut.
    columns, rows = (
        np.floor((start + (np.arange(count) + 0.5) * grid.side - first) / found.step).astype(int)
        for start, count, first in zip(grid.origin, (grid.columns, grid.rows), found.origin, strict=True)
    )
    inside = (rows >= 0) & (rows < len(called)), (columns >= 0) & (columns < called.shape[1])
    called = called[np.clip(rows, 0, len(called) - 1)[:, None], np.clip(columns, 0, called.shape[1] - 1)]
    return np.asarray(called & inside[0][:, None] & inside[1])
