"""Patches from annotated slides: labelled by their centre, balanced, and a data set that opens."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.commands import main
from core.data import Dataset, open_dataset
from core.images.patch import MICROMETRES_PER_PIXEL
from core.slides.annotations import contains
from core.slides.cut import cells_inside, cut, drawn, labels_of
from core.slides.geojson import to_geojson
from core.slides.outlines import Annotation
from core.slides.plan import Grid
from core.slides.reader import Slide
from core.slides.slide_map import SlideMap

GRID = Grid(32, 8, 10, 1.0)  # cells of 32 pixels from 32, 32 on


def _square(x: float, y: float, side: float, word: str = "Tumor") -> Annotation:
    return Annotation(word, ((np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]]),),))


@pytest.mark.parametrize(
    ("annotation", "cells"),
    [
        (_square(64, 64, 32), {(1, 1)}),
        (_square(64, 64, 33), {(1, 1), (1, 2), (2, 1), (2, 2)}),  # a pixel more
        (_square(60, 64, 8), {(1, 0), (1, 1)}),
        (_square(70, 70, 0.2), {(1, 1)}),  # smaller than a pixel
        (_square(0, 0, 20), set()),  # outside of all centres
        (_square(64, 64, 32, "Stroma"), set()),
    ],
)
def test_a_cell_has_tumour_if_any_part_of_it_has(annotation: Annotation, cells: set[tuple[int, int]]) -> None:
    tissue = np.ones((8, 10), bool)
    found = {tuple(map(int, at)) for at in np.argwhere(labels_of(GRID, tissue, [annotation]) == 1)}
    assert found == cells


def test_areas_are_filled_by_the_middles_of_pixels_without_their_holes() -> None:
    random = np.random.default_rng(0)
    x, y = np.meshgrid(np.arange(110) + 0.5, np.arange(90) + 0.5)
    places = np.stack([x.ravel(), y.ravel()], axis=1) * 1.7 + 80.75
    for _ in range(30):
        middle, angles = random.uniform(30, 160, 2), np.sort(random.uniform(0, 2 * np.pi, 9))
        outer = middle + np.stack([np.cos(angles), np.sin(angles)], axis=1) * random.uniform(20, 90, (9, 1))
        polygon = (outer, middle + (outer - middle) * 0.4)
        expected = contains(outer, places) & ~contains(polygon[1], places)
        found = cells_inside(polygon, (90, 110), origin=(80.75, 80.75), pixel=1.7, step=1)
        np.testing.assert_array_equal(found.ravel(), expected)


def test_what_is_no_tissue_has_no_label() -> None:
    tissue = np.zeros((8, 10), bool)
    tissue[1, 1] = True
    labels = labels_of(GRID, tissue, [_square(0, 0, 400)])
    assert labels[1, 1] == 1
    assert (labels == -1).sum() == 79


def test_classes_are_balanced_and_hard_ones_come_first() -> None:
    labels = np.zeros((8, 10), np.int8)
    labels[0, :4] = 1
    hard = np.zeros((8, 10), bool)
    hard[7, :3] = True
    cells = drawn(labels, most=100, seed=0, hard=hard)
    chosen = labels[cells[:, 0], cells[:, 1]]
    assert (chosen == 1).sum() == (chosen == 0).sum() == 4
    assert (hard[cells[:, 0], cells[:, 1]]).sum() == 2  # half of four
    assert len(drawn(labels, most=2, seed=0)) == 4
    assert len(drawn(np.zeros((8, 10), np.int8), most=5, seed=0)) == 5
    np.testing.assert_array_equal(drawn(labels, most=3, seed=1), drawn(labels, most=3, seed=1))


def test_a_patch_has_its_cell_in_the_middle(tmp_path: Path) -> None:
    pixels = np.arange(352 * 416 * 3, dtype=np.uint32).reshape(352, 416, 3).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (patch,) = cut(Slide(tmp_path / "a.png"), GRID, np.ones((8, 10), np.int8), np.array([[2, 3]]))
    assert (patch.x, patch.y, patch.label) == (96, 64, 1)
    np.testing.assert_array_equal(patch.pixels, pixels[64:160, 96:192])


@pytest.fixture
def annotated(tmp_path: Path, small_demo: Dataset) -> Path:
    """A slide of demo patches with one square of tumour, and a second one without outlines."""
    pixels = np.full((672, 768, 3), 244, np.uint8)
    pixels[96:480, 192:576] = np.tile(small_demo.store.load(np.arange(1)).pixels[0], (4, 4, 1))
    for name in ("a", "b"):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png", dpi=(25_400 / MICROMETRES_PER_PIXEL,) * 2)
    (tmp_path / "a.geojson").write_text(to_geojson([_square(230, 230, 60)]))
    return tmp_path


def test_annotated_slides_become_a_data_set(annotated: Path, fresh_home: Path, capsys: pytest.CaptureFixture) -> None:
    out, slides = annotated / "set", [str(annotated / f"{name}.png") for name in ("a", "b")]
    assert main(["slide-patches", *slides, "--out", str(out), "--per-slide", "6"]) == 1
    assert "There are no outlines of b.png" in capsys.readouterr().err

    assert main(["slide-patches", str(annotated), "--out", str(out), "--per-slide", "6", "--normal"]) == 0
    assert "a.png: was cut before" in capsys.readouterr().out
    dataset = open_dataset(out)
    assert dataset.class_counts() == (12, 6)
    assert sorted(set(dataset.table["slide"])) == ["a.png", "b.png"]
    whole = np.asarray(Image.open(annotated / "a.png"))
    for row in range(3):
        x, y = map(int, str(dataset.table["id"][row]).removesuffix(".png").split("_")[-2:])
        np.testing.assert_array_equal(dataset.store.load([row]).pixels[0], whole[y : y + 96, x : x + 96])


def test_slides_of_one_name_do_not_share_a_folder(
    annotated: Path, fresh_home: Path, capsys: pytest.CaptureFixture
) -> None:
    """The second one would take the place of the first one's patches, or count as cut already."""
    (annotated / "more").mkdir()
    (annotated / "more" / "a.png").write_bytes((annotated / "a.png").read_bytes())
    words = [str(annotated), str(annotated / "more"), "--out", str(annotated / "set"), "--per-slide", "3", "--normal"]
    assert main(["slide-patches", *words]) == 1
    printed = capsys.readouterr()
    assert printed.out == "b.png: 0 with tumour, 3 without\n"
    assert printed.err.count("2 slides are called a and would share a folder") == 2


def test_a_slide_that_is_not_there_is_said(annotated: Path, fresh_home: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["slide-patches", str(annotated / "c.png"), "--out", str(annotated / "set")]) == 2
    assert "c.png cannot be read: No such file" in capsys.readouterr().err


def test_normal_patches_come_from_false_areas_where_results_are_given(annotated: Path, fresh_home: Path) -> None:
    grid = Grid.of((768, 672), MICROMETRES_PER_PIXEL, 32)
    probability = np.full((grid.rows, grid.columns), 0.1, np.float16)
    probability[9:13, 10:17] = 0.9  # tissue that is not annotated, for the most part
    (annotated / "results" / "a").mkdir(parents=True)
    found = SlideMap(probability, grid.origin, grid.side, MICROMETRES_PER_PIXEL, "d", probability, 1, 0, 0, 0.0, "k")
    found.save(annotated / "results" / "a")
    out = annotated / "set"
    assert main(["slide-patches", str(annotated / "a.png"), "--out", str(out), "--per-slide", "8",
                 "--results", str(annotated / "results")]) == 0  # fmt: skip
    rows = [line.split(",") for line in (out / "patches.csv").read_text().splitlines()[1:]]
    hard = [row for row in rows if 320 <= float(row[3]) < 544 and 288 <= float(row[4]) < 416]
    assert len(hard) == 4
    assert {row[1] for row in hard} == {"0"}


def test_results_that_are_not_there_are_said(annotated: Path, fresh_home: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["slide-patches", str(annotated / "a.png"), "--out", str(annotated / "set"), "--results", str(annotated)]
    assert main(words) == 2
    assert "has no results of a.png; run `slide --out` first" in capsys.readouterr().err


def test_another_data_set_is_not_mixed_with(annotated: Path, fresh_home: Path, capsys: pytest.CaptureFixture) -> None:
    (annotated / "set").mkdir()
    (annotated / "set" / "labels.csv").write_text("path,label\n")
    assert main(["slide-patches", str(annotated / "a.png"), "--out", str(annotated / "set")]) == 2
    assert "holds another data set already" in capsys.readouterr().err
