from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.bundle import load_bundle
from core.bundle.shipped import DEFAULT, SHIPPED
from core.data import Dataset, Decision, decide, open_dataset
from core.display import CLASS_COLOURS
from core.features.embedding import Embedding, save_embedding
from pages._ui.browse import embedding_map
from pages._ui.browse.columns import Fixed, PatchColumns
from pages._ui.browse.embedding_map import figure, groups_of, selected
from pages._ui.browse.predictions import Predicted
from tests.pages.driver import Page


@pytest.fixture
def folder(kaggle_folder: Callable[..., Path], fresh_home: Path) -> Path:
    return kaggle_folder({"a": 0, "b": 1, "c": 0, "d": 1}, test=("t",))


@pytest.fixture
def page(app: Page, folder: Path) -> Page:
    app.query_params["data"] = str(folder)
    app.session_state["known_data"] = ["demo", str(folder)]
    app.query_params["browse_view"] = "Map"
    return app


def _save_map(folder: Path, *, patches: int = 5) -> None:
    points = np.arange(10, dtype=np.float32).reshape(5, 2)
    found = Embedding(("a", "b", "c", "d", "t"), points, np.array([0.5, 0.25]), None, patches, "features of a test")
    save_embedding(found, open_dataset(folder), load_bundle())


def _facts(dataset: Dataset, predicted: Predicted | None = None) -> PatchColumns:
    return PatchColumns(dataset, Fixed(dataset), None, {}, predicted, {})


def test_a_map_is_started_from_the_page(page: Page, folder: Path, launched: list[list[str]]) -> None:
    page.run()
    assert not page.exception
    page.click("Make the map")
    assert launched == [["embed", "--data", str(folder), "--bundle", str(SHIPPED[DEFAULT]), "--device", "auto"]]
    assert "Cancel" in page.labels()


def test_the_map_says_what_it_shows_and_what_umap_needs(
    page: Page, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _save_map(folder, patches=5_000)
    monkeypatch.setattr(embedding_map, "has_umap", lambda: False)
    page.run()
    assert not page.exception
    assert "5 of 5,000 patches, sampled so that every class of every split keeps its share" in page.words()
    assert "PCA shows 75% of their variance" in page.words()
    page.set("map_colour", "error")
    assert "has not predicted these patches yet" in page.words()
    page.set("map_by", "umap")
    assert "pip install umap-learn" in page.words()


def test_what_somebody_excluded_is_not_on_the_map(page: Page, folder: Path) -> None:
    _save_map(folder)
    decide(str(folder), {"b": Decision("exclude")})
    page.run()
    assert not page.exception
    assert "4 patches · features of a test" in page.words()


def test_points_are_coloured_by_label_with_a_second_cue(folder: Path) -> None:
    known = _facts(open_dataset(folder))
    rows = np.array([4, 3, 2, 1, 0])  # t, d, c, b, a
    groups = groups_of(known, rows, "label")
    assert [(group.name, group.at.tolist()) for group in groups] == [
        ("tumour", [1, 3]), ("normal", [2, 4]), ("no label", [0]),
    ]  # fmt: skip
    assert [group.colour for group in groups[:2]] == [CLASS_COLOURS[1], CLASS_COLOURS[0]]
    assert len({group.symbol for group in groups}) == 3
    chart = figure(known, rows, np.arange(10, dtype=np.float32).reshape(5, 2), groups)
    assert [trace.type for trace in chart.data] == ["scattergl"] * 3
    assert list(chart.data[0].x) == [2.0, 6.0]
    assert list(chart.data[0].text) == ["d<br>tumour", "b<br>tumour"]


def test_points_are_coloured_by_what_the_model_made_of_them(folder: Path) -> None:
    dataset = open_dataset(folder)
    known = _facts(
        dataset,
        Predicted(
            name="a test",
            probability=np.array([0.1, 0.9, 0.9, 0.1, np.nan]),
            loss=np.zeros(5),
            threshold=0.5,
            label=np.array([0, 1, 0, 1, -1], np.int8),
        ),
    )
    groups = groups_of(known, np.arange(5), "error")
    assert {group.name: group.at.tolist() for group in groups} == {
        "right": [0, 1], "false positive": [2], "false negative": [3], "not predicted": [4],
    }  # fmt: skip


def test_forty_slides_have_forty_appearances(small_demo: Dataset) -> None:
    found = {embedding_map._appearance(code, 40) for code in range(40)}
    assert len(found) == 40
    groups = groups_of(_facts(small_demo), np.arange(144), "slide")
    assert [len(group.at) for group in groups] == [12] * 12
    assert len({(group.colour, group.symbol) for group in groups}) == 12


def test_a_lasso_gives_the_rows_of_its_points(folder: Path) -> None:
    rows = np.array([4, 3, 2, 1, 0])
    groups = groups_of(_facts(open_dataset(folder)), rows, "label")
    points = [{"curve_number": 0, "point_index": 1}, {"curve_number": 1, "point_index": 0}]
    assert selected(points, groups, rows).tolist() == [2, 1]
    assert selected([], groups, rows).tolist() == []
