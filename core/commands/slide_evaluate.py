"""``python -m core slide-evaluate``: compare what `slide` found with what people outlined."""

import csv
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from core.commands import options
from core.commands.output import print_json
from core.errors import DataError, EvaluationError
from core.evaluation import Estimate, evaluate
from core.formatting import printable
from core.slides.analyse import read_summary
from core.slides.annotations import read_annotations
from core.slides.cut import labels_of
from core.slides.folders import annotations_of
from core.slides.froc import RATES, Searched, dice, froc, searched, truth_of
from core.slides.measures import Rule, class_of, foci_of
from core.slides.plan import Grid
from core.slides.slide_map import SlideMap

CLASSES = ("negative", "ITC", "micro", "macro")


@dataclass(frozen=True, eq=False)
class _Compared:
    """One slide: what was found beside what is there."""

    name: str
    score: float
    has_tumour: bool
    found: Searched
    dice: float | None
    area_error_mm2: float
    classes: tuple[str, str]  # true, called


@options.command("slide-evaluate")
@click.argument("folder", type=options.PATH, metavar="DIR")
@options.option(
    "--annotations",
    type=options.PATH,
    metavar="DIR",
    required=True,
    help="Outlines of tumour, a file of each slide's name: GeoJSON (QuPath), XML (ASAP) or JSON (NCRF).",
)
@options.option("--normal", is_flag=True, help="Slides without outlines have no tumour; else they are left out.")
@options.as_json
def command(folder: Path, annotations: Path, normal: bool, as_json: bool) -> int:
    """Measure the slides that `slide --out DIR` left, against outlines.

    FROC as CAMELYON16 defines it, the AUC of slides by their highest probability, Dice and the error of the tumour
    area, and which slides are macro, micro, ITC or negative. Intervals are over slides.
    """
    compared, left_out = [], []
    for path in sorted(folder.expanduser().glob("*/summary.json")):
        file = annotations_of(annotations.expanduser() / f"{path.parent.name}.svs")
        if file is None and not normal:
            left_out.append(path.parent.name)
            continue
        compared.append(_compared(path.parent, file))
    if not compared:
        raise DataError(
            f"{folder} has no results of slides with outlines in {annotations}. Give the folder of `slide --out`, and "
            "--normal if slides without outlines have no tumour."
        )
    found = _measured(compared)
    found["left_out"] = left_out
    if as_json:
        print_json(found)
    else:
        _print(found)
    return 0


def _compared(folder: Path, file: Path | None) -> _Compared:
    summary, found = read_summary(folder) or {}, SlideMap.load(folder)
    if found is None:
        raise DataError(f"{folder} has no map; run `slide` again.")
    try:
        size, mpp = (int(summary["width"]), int(summary["height"])), float(summary["mpp"])
        rule = Rule(float(summary["threshold"]), float(summary["peak_threshold"]), float(summary["least_mm2"]))
        with (folder / "foci.csv").open(encoding="utf-8", newline="") as table:
            findings = [[float(row[name]) for name in ("x", "y", "probability")] for row in csv.DictReader(table)]
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise DataError(f"{folder} is damaged ({error}). Delete it and run `slide` again.") from error
    outlines = [] if file is None else read_annotations(file, bounds=summary.get("bounds", (0, 0)))
    truth = truth_of(outlines, size, mpp)
    values = found.probability.astype(np.float64)
    called = foci_of(values, rule, fewest=rule.least_mm2 / found.cell_mm**2) > 0
    rows, columns = values.shape
    grid = Grid(int(summary["step"]), rows, columns, found.step / int(summary["step"]))
    is_tumour = labels_of(grid, np.ones(values.shape, bool), outlines) == 1
    return _Compared(
        printable(folder.name), float(np.nanmax(values, initial=0.0)), truth.tumour.any().item(),
        searched(findings, truth), dice(called, is_tumour), float(called.sum() * found.cell_mm**2 - truth.mm2),
        (class_of(truth.longest_mm), str(summary["longest_class"])),
    )  # fmt: skip


def _measured(compared: list[_Compared]) -> dict[str, Any]:
    curve = froc([each.found for each in compared])
    try:
        labels, scores = [each.has_tumour for each in compared], [each.score for each in compared]
        auc = evaluate(np.array(labels, np.int64), np.array(scores), threshold=0.5).metrics["auc"]
    except EvaluationError:  # slides of one kind only
        auc = Estimate(math.nan, math.nan, math.nan)
    overlaps = [each.dice for each in compared if each.dice is not None]
    return {
        "slides": len(compared),
        "with_tumour": sum(each.has_tumour for each in compared),
        "lesions": curve.lesions,
        "froc": curve.score.to_json(),
        "sensitivity_at": {f"{rate:g}": _at(curve.rates, curve.sensitivities, rate) for rate in RATES},
        "slide_auc": auc.to_json(),
        "dice": float(np.mean(overlaps)) if overlaps else None,
        "area_error_mm2": {each.name: round(each.area_error_mm2, 4) for each in compared},
        "classes": [
            {"true": true, "called": called, "slides": count}
            for (true, called), count in sorted(Counter(each.classes for each in compared).items())
        ],
    }


def _at(rates: np.ndarray, sensitivities: np.ndarray, rate: float) -> float | None:
    """Return the sensitivity at a rate, which is the best one that does not exceed it; None without lesions."""
    value = float(sensitivities[rates <= rate].max(initial=0.0))
    return None if math.isnan(value) else round(value, 4)


def _print(found: dict[str, Any]) -> None:
    print(f"{found['slides']} slides, {found['with_tumour']} with tumour, {found['lesions']} lesions that count")
    for name, key in (("FROC", "froc"), ("AUC of slides", "slide_auc")):
        print(f"  {name:<16} {Estimate.from_json(found[key])}")
    print("  sensitivity      " + ", ".join(f"{each} at {rate}" for rate, each in found["sensitivity_at"].items()))
    print(f"  Dice             {'undefined' if found['dice'] is None else format(found['dice'], '.3f')}")
    for row in found["classes"]:
        print(f"  {row['true']:>8} called {row['called']:<8} {row['slides']}")
    for name, error in found["area_error_mm2"].items():
        print(f"  {name}: area {error:+.3f} mm²")
    if found["left_out"]:
        print(f"left out, because nobody outlined them: {', '.join(found['left_out'])}")
