"""FROC and areas of slides, against what is worked out by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from core.commands import main
from core.slides.evaluation import Place, evaluate_slides
from core.slides.froc import Searched, dice, froc, major_axis, searched, truth_of
from core.slides.geojson import to_geojson
from core.slides.outlines import Annotation
from core.slides.slide_map import SlideMap


def _square(x: float, y: float, side: float) -> Annotation:
    return Annotation("Tumor", ((np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]]),),))


def _slide(lesions: list[float], false: list[float]) -> Searched:
    return Searched(np.array(lesions, float), np.array(false, float))


@pytest.mark.parametrize(
    ("slides", "score"),
    [
        ([_slide([0.9], [])], 1.0),
        ([_slide([-np.inf], [])], 0.0),
        # The only lesion comes after one false positive: 0.25, 0.5 and then 1 four times.
        ([_slide([0.9], [0.95])], (0.25 + 0.5 + 4) / 6),
        # Two slides, two lesions; one false positive is half a one for each slide: half is found before, all after it.
        ([_slide([0.9, 0.5], []), _slide([], [0.7])], (0.75 + 5) / 6),
        # Nothing more is found after the first: the curve stays where it ends.
        ([_slide([0.9, -np.inf], [0.8])], 0.5),
    ],
)
def test_the_score_is_the_mean_sensitivity_at_six_rates(slides: list[Searched], score: float) -> None:
    assert froc(slides).score.value == pytest.approx(score)


def test_without_lesions_there_is_no_score() -> None:
    found = froc([_slide([], [0.5]), _slide([], [])])
    assert math.isnan(found.score.value)
    assert found.lesions == 0


def test_the_interval_is_over_slides_and_none_below_four() -> None:
    slides = [_slide([0.9], []), _slide([-np.inf], []), _slide([0.8], []), _slide([0.7], [])]
    found = froc(slides).score
    # Leaving one out gives 2/3, 1, 2/3, 2/3: jackknife error sqrt(3/4 · 3/4 · (1/3)²) = .25, t of 3 degrees is 3.182.
    assert (found.value, found.low) == (0.75, 0.0)
    assert found.high == 1.0
    assert not froc(slides[:3]).score.has_interval


def test_areas_are_widened_and_what_touches_is_one_lesion() -> None:
    # 1 µm per pixel: squares of 400 µm, 60 µm apart (one lesion), and one 640 µm away.
    truth = truth_of([_square(400, 400, 400), _square(860, 400, 400), _square(1900, 400, 400)], (3000, 1200), 1.0)
    assert int(truth.lesions.max()) == 2
    assert truth.isolated == frozenset()
    assert truth.mm2 == pytest.approx(3 * 0.16, abs=0.001)
    assert truth.longest_mm == pytest.approx(0.4 * math.sqrt(2), abs=0.01)
    touching = truth_of([_square(400, 400, 400), _square(800, 400, 400)], (3000, 1200), 1.0)
    assert touching.longest_mm == pytest.approx(math.hypot(0.8, 0.4), abs=0.01)
    # 20 µm beside an area still counts as within, 50 µm does not.
    found = searched([[1280, 600, 0.9], [1310, 600, 0.8], [2000, 600, 0.7], [-5, 1e9, 0.6]], truth)
    assert sorted(found.lesions.tolist()) == [0.7, 0.9]
    assert sorted(found.false.tolist()) == [0.6, 0.8]


@pytest.mark.parametrize(("diameter", "counts"), [(150, False), (190, False), (215, True)])
def test_below_200_micrometres_cells_are_isolated(diameter: float, counts: bool) -> None:
    turn = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    disc = 1000 + diameter / 2 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    truth = truth_of([Annotation("Tumor", ((disc,),))], (2000, 2000), 1.0)

    assert truth.counted == ([1] if counts else [])


def test_areas_110_micrometres_apart_are_two_lesions() -> None:
    truth = truth_of([_square(400, 400, 300), _square(810, 400, 300)], (2000, 1200), 1.0)

    assert truth.counted == [1, 2]


def test_isolated_cells_count_neither_way() -> None:
    truth = truth_of([_square(400, 400, 40), _square(1200, 400, 500)], (2400, 1200), 1.0)
    assert len(truth.isolated) == 1
    found = searched([[420, 420, 0.9], [1300, 500, 0.4]], truth)
    assert found.lesions.tolist() == [0.4]
    assert found.false.tolist() == []


def test_the_major_axis_of_a_bar_and_of_a_disc() -> None:
    bar = np.zeros((50, 200), bool)
    bar[20:30, 10:170] = True
    assert major_axis(bar) == pytest.approx(4 * math.sqrt(160**2 / 12), rel=1e-6)
    y, x = np.mgrid[:101, :101]
    assert major_axis((x - 50) ** 2 + (y - 50) ** 2 <= 40**2) == pytest.approx(80, rel=0.01)


def test_dice_by_hand() -> None:
    one, other = np.array([True, True, False, False]), np.array([True, False, True, False])
    assert dice(one, other) == 0.5
    assert dice(one & False, other & False) is None


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """What `slide` left of two slides of 1000×800 pixels of 1 µm: one with a focus of 10×10 cells, one without."""
    for name, has_focus in (("a", True), ("b", False)):
        folder = tmp_path / "out" / name
        folder.mkdir(parents=True)
        probability = np.full((22, 28), 0.1, np.float16)
        if has_focus:
            probability[5:15, 5:15] = 0.9
        SlideMap(probability, (32.0, 32.0), 32.0, 1.0, "d", probability, 1, 0, 0, 0.0, "k").save(folder)
        (folder / "foci.csv").write_text(
            "x,y,probability,area_mm2,longest_mm\n" + ("250,250,0.9,0.1,0.4\n" * has_focus)
        )
        rule = {"threshold": 0.5, "peak_threshold": 0.5, "least_mm2": 0.0075}
        called = {"longest_class": "micro" if has_focus else "negative"}
        summary = {"slide": f"{name}.svs", "width": 1000, "height": 800, "mpp": 1.0, "step": 32, **rule, **called}
        (folder / "summary.json").write_text(json.dumps(summary))
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "a.geojson").write_text(to_geojson([_square(192, 192, 320)]))
    return tmp_path / "out"


def test_slides_are_compared_with_outlines(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["slide-evaluate", str(results), "--annotations", str(results.parent / "truth")]
    assert main([*words, "--normal", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["slides"], found["with_tumour"], found["lesions"]) == (2, 1, 1)
    assert found["froc"]["value"] == found["dice"] == found["slide_auc"]["value"] == 1.0
    assert "low" not in found["slide_auc"] or found["slide_auc"]["low"] is None  # two slides are too few
    assert found["area_error_mm2"] == {"a": pytest.approx(0, abs=1e-4), "b": 0}
    assert found["classes"] == [{"true": "micro", "called": "micro", "slides": 1},
                                {"true": "negative", "called": "negative", "slides": 1}]  # fmt: skip

    assert (found["missed"], found["false"]) == ({}, {})
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "1 slides, 1 with tumour, 1 lesions that count" in said
    assert "left out, because nobody outlined them: b" in said


def test_missed_lesions_and_false_foci_have_their_places(results: Path) -> None:
    # Two lesions far from each other, and the focus of slide a lies in the first; slide b is called where nothing is.
    truth = [_square(192, 192, 320), _square(700, 500, 280)]
    (results.parent / "truth" / "a.geojson").write_text(to_geojson(truth))
    (results / "b" / "foci.csv").write_text("x,y,probability,area_mm2,longest_mm\n100,90,0.7,0.1,0.4\n")
    found = evaluate_slides(results, results.parent / "truth", normal=True)
    (missed,) = found.slides[0].missed
    assert (missed.name, missed.probability) == ("a", None)
    assert (missed.x, missed.y) == (pytest.approx(840, abs=8), pytest.approx(640, abs=8))
    assert found.slides[1].false == (Place("b", 100.0, 90.0, 0.7),)
    assert found.slides[1].missed == found.slides[0].false == ()


def test_a_folder_without_results_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["slide-evaluate", str(tmp_path), "--annotations", str(tmp_path)]) == 2
    assert "Give the folder of `slide --out`" in capsys.readouterr().err


def test_damaged_results_are_a_sentence(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (results / "a" / "foci.csv").write_text("x,y\n1,2\n")
    assert main(["slide-evaluate", str(results), "--annotations", str(results.parent / "truth")]) == 2
    assert "is damaged" in capsys.readouterr().err
