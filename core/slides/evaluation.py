"""What `slide` found on the slides of a folder, compared with what people outlined."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import DataError, EvaluationError
from core.evaluation import Estimate, evaluate
from core.formatting import printable
from core.slides.analyse import read_summary
from core.slides.annotations import read_annotations
from core.slides.cohort import read_foci
from core.slides.cut import labels_of
from core.slides.folders import annotations_of
from core.slides.froc import FEWEST, RATES, Froc, Searched, dice, froc, searched, truth_of
from core.slides.measures import Rule, class_of, foci_of
from core.slides.plan import Grid
from core.slides.slide_map import SlideMap

CLASSES = ("negative", "ITC", "micro", "macro")


@dataclass(frozen=True)
class Place:
    """A lesion that was missed or a false focus.

    Attributes:
        name: of the slide's folder.
        x: in level-0 pixels.
        y: likewise.
        probability: of the false focus; None of a missed lesion.
    """

    name: str
    x: float
    y: float
    probability: float | None = None


@dataclass(frozen=True, eq=False)
class ComparedSlide:
    """One slide: what was found beside what is there.

    Attributes:
        name: of its folder.
        score: highest probability of any cell.
        has_tumour: whether anything is outlined.
        found: lesions and false foci by probability.
        dice: of the called and the true cells; None where neither has any.
        area_error_mm2: called area less the true one.
        classes: the true and the called one of :data:`CLASSES`.
        missed: lesions that count and in which there is no focus.
        false: foci outside of all lesions, the most probable first.
    """

    name: str
    score: float
    has_tumour: bool
    found: Searched
    dice: float | None
    area_error_mm2: float
    classes: tuple[str, str]
    missed: tuple[Place, ...]
    false: tuple[Place, ...]


@dataclass(frozen=True, eq=False)
class SlideEvaluation:
    """The slides of a folder against outlines.

    Attributes:
        slides: those that were compared.
        left_out: names of those that nobody outlined.
        curve: FROC, see :mod:`core.slides.froc`.
        auc: of slides by their highest probability.
    """

    slides: tuple[ComparedSlide, ...]
    left_out: tuple[str, ...]
    curve: Froc
    auc: Estimate

    @property
    def dice(self) -> float | None:
        """The mean over slides on which there is tumour or any was called; None where there are none."""
        found = [each.dice for each in self.slides if each.dice is not None]
        return float(np.mean(found)) if found else None

    @property
    def classes(self) -> Counter[tuple[str, str]]:
        """Number of slides by the true and the called class."""
        return Counter(each.classes for each in self.slides)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as ``slide-evaluate --json`` prints them."""
        return {
            "slides": len(self.slides),
            "with_tumour": sum(each.has_tumour for each in self.slides),
            "lesions": self.curve.lesions,
            "froc": self.curve.score.to_json(),
            "sensitivity_at": {
                f"{rate:g}": None if math.isnan(each.value) else round(each.value, 4)
                for rate, each in zip(RATES, self.curve.at_rates, strict=True)
            },
            "slide_auc": self.auc.to_json(),
            "dice": self.dice,
            "area_error_mm2": {each.name: round(each.area_error_mm2, 4) for each in self.slides},
            "classes": [
                {"true": true, "called": called, "slides": count}
                for (true, called), count in sorted(self.classes.items())
            ],
            "missed": {each.name: len(each.missed) for each in self.slides if each.missed},
            "false": {each.name: len(each.false) for each in self.slides if each.false},
            "left_out": list(self.left_out),
        }


def evaluate_slides(folder: Path, annotations: Path, *, normal: bool = False) -> SlideEvaluation:
    """Compare the results in a folder with outlines.

    Args:
        folder: of ``slide --out``.
        annotations: folder of outlines, a file of each slide's name.
        normal: whether slides without outlines have no tumour; else they are left out.

    Raises:
        DataError: no slide has results and outlines, or a file is damaged.
    """
    compared, left_out = [], []
    for path in sorted(folder.glob("*/summary.json")):
        file = annotations_of(annotations / f"{path.parent.name}.svs")
        if file is None and not normal:
            left_out.append(printable(path.parent.name))
            continue
        compared.append(_compared(path.parent, file))
    if not compared:
        raise DataError(
            f"{folder} has no results of slides with outlines in {annotations}. Give the folder of `slide --out`, and "
            "--normal if slides without outlines have no tumour."
        )
    return SlideEvaluation(tuple(compared), tuple(left_out), froc([each.found for each in compared]), _auc(compared))


def _auc(compared: Sequence[ComparedSlide]) -> Estimate:
    labels, scores = [each.has_tumour for each in compared], [each.score for each in compared]
    try:
        found = evaluate(np.array(labels, np.int64), np.array(scores), threshold=0.5).metrics["auc"]
    except EvaluationError:  # slides of one kind only
        return Estimate(math.nan, math.nan, math.nan)
    return found if len(compared) >= FEWEST else Estimate(found.value, math.nan, math.nan)


def _compared(folder: Path, file: Path | None) -> ComparedSlide:
    summary, found = read_summary(folder) or {}, SlideMap.load(folder)
    if found is None:
        raise DataError(f"{folder} has no map; run `slide` again.")
    try:
        size, mpp, step = (int(summary["width"]), int(summary["height"])), float(summary["mpp"]), int(summary["step"])
        rule = Rule(float(summary["threshold"]), float(summary["peak_threshold"]), float(summary["least_mm2"]))
        longest = str(summary["longest_class"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder} is damaged ({error}). Delete it and run `slide` again.") from error
    foci = np.array([[focus[name] for name in ("x", "y", "probability")] for focus in read_foci(folder)]).reshape(-1, 3)
    outlines = [] if file is None else read_annotations(file, bounds=summary.get("bounds", (0, 0)))
    truth = truth_of(outlines, size, mpp)
    values = found.probability.astype(np.float64)
    called = foci_of(values, rule, fewest=rule.least_mm2 / found.cell_mm**2) > 0
    rows, columns = values.shape
    grid = Grid(step, rows, columns, found.step / step)
    is_tumour = labels_of(grid, np.ones(values.shape, bool), outlines) == 1
    name, lesions = printable(folder.name), truth.lesions_at(foci[:, :2])
    return ComparedSlide(
        name, float(np.nanmax(values, initial=0.0)), truth.tumour.any().item(), searched(foci, truth),
        dice(called, is_tumour), float(called.sum() * found.cell_mm**2 - truth.mm2),
        (class_of(truth.longest_mm), longest),
        tuple(Place(name, *truth.middle_of(each)) for each in truth.counted if each not in lesions),
        tuple(Place(name, *focus) for focus, lesion in zip(foci.tolist(), lesions, strict=True) if not lesion),
    )  # fmt: skip
