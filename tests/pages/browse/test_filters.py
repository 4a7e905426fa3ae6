"""Browse without a browser: which patches are shown and in which order, and the charts that choose them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.bundle import load_bundle
from core.data import Dataset, open_dataset
from core.data.dataset import make_table
from core.data.quality import make_check
from core.data.store import ArrayStore
from core.scoring.dataset import assemble
from core.scoring.store import save_scores
from pages._ui.browse import charts, columns
from pages._ui.browse.columns import Fixed
from pages._ui.browse.filters import Range, ordered
from tests.pages.driver import Page


@pytest.fixture
def shaded(kaggle: Path, fresh_home: Path) -> Path:
    """The folder, checked, with plain patches of brightness 50 (p0), 200 (p2) and 100 (p3)."""
    for name, level in (("p0", 50), ("p2", 200), ("p3", 100)):
        Image.new("RGB", (96, 96), (level,) * 3).save(kaggle / "train" / f"{name}.tif")
    make_check(str(kaggle))
    return kaggle


def test_a_checked_folder_is_filtered_by_its_flags_and_the_address_holds_it(
    app: Page, kaggle: Path, fresh_home: Path
) -> None:
    copy = Image.open(kaggle / "train" / "p0.tif")
    copy.save(kaggle / "train" / "p3.tif")
    make_check(str(kaggle))
    app.open(data=str(kaggle), flag="conflict")
    assert "Tumour · 1\n" in app.words()  # p0 and p3 are the same with other labels
    assert "Normal · 1\n" in app.words()
    app.set("browse_view", "Quality")
    assert "Pack and check · not packed · checked: 3 patches flagged" in app.labels("expander")
    app.set("browse_view", "Patches")
    assert app.selectbox(key="flag").value == "conflict"
    app.set("flag", "unreadable")
    assert "Tumour · 1\n" in app.words()
    assert "No patch matches." in app.words()


def test_clicking_the_number_of_a_flag_shows_those_patches(app: Page, kaggle: Path, fresh_home: Path) -> None:
    Image.new("RGB", (96, 96)).save(kaggle / "train" / "p3.tif")
    make_check(str(kaggle))
    app.open(data=str(kaggle), browse_view="Quality")
    assert "No patch is flagged as blank, blurred, duplicate, near duplicate, conflict, leak" in app.words()
    assert app.button(key="flag-any flag").label == "2 flagged"
    assert app.button(key="flag-black").label == "1 black"
    app.button(key="flag-black").click().run()
    assert not app.exception
    assert app.segmented_control(key="browse_view").value == "Patches"
    assert app.selectbox(key="flag").value == "black"
    assert "All patches · 1\n" in app.words()  # p3


def test_an_id_is_found(app: Page, kaggle: Path, fresh_home: Path) -> None:
    app.open(data=str(kaggle), find="4")
    assert "Tumour · 0\n" in app.words()
    assert "Normal · 1\n" in app.words()


def test_sorting_by_a_measure(app: Page, shaded: Path) -> None:
    app.open(data=str(shaded), sort="brightness, high first")
    assert app.selectbox(key="sort").value == "brightness, high first"
    known = columns.patch_columns(open_dataset(shaded))
    rows = ordered(known, np.array([0, 2, 3]), "brightness, high first")
    assert rows.tolist() == [2, 3, 0]
    assert ordered(known, np.array([3, 0, 2]), "id").tolist() == [0, 2, 3]


def store_predictions(kaggle: Path, logits: dict[str, float]) -> None:
    """Predictions of the shipped model, as a process would leave them."""
    dataset, bundle = open_dataset(kaggle), load_bundle()
    rows = np.flatnonzero(dataset.table["id"].isin(list(logits)))
    values = np.array([logits[name] for name in dataset.table["id"].iloc[rows]], np.float32)
    unreadable = len(dataset) - len(rows)
    found = assemble(
        bundle,
        dataset,
        rows,
        values,
        description="all labelled patches",
        unreadable=unreadable,
        appearance=None,
        device="cpu",
    )
    save_scores(found, bundle, dataset, "all")


def test_patches_are_filtered_and_sorted_by_what_the_model_says(app: Page, kaggle: Path, fresh_home: Path) -> None:
    store_predictions(kaggle, {"p0": 9.0, "p2": -9.0, "p3": 8.0, "p4": -7.0})  # p1 is broken
    app.open(data=str(kaggle), verdict="false negative")
    assert "Tumour · 1\n" in app.words()
    assert "Normal · 0\n" in app.words()
    known = columns.patch_columns(open_dataset(kaggle))
    assert known.predicted is not None
    assert ordered(known, np.arange(5), "loss, high first").tolist()[-1] == 1  # p1, of which nothing is known
    assert set(ordered(known, np.arange(5), "loss, high first").tolist()[:2]) == {2, 3}  # the two that are wrong
    assert ordered(known, np.arange(5), "probability, low first").tolist() == [2, 4, 3, 0, 1]
    app.set("verdict", "wrong")
    assert "Normal · 1\n" in app.words()
    app.set("verdict", "not predicted")
    assert "Tumour · 1\n" in app.words()
    assert "Normal · 0\n" in app.words()


def test_probabilities_stand_on_the_patches_of_who_wants_them(
    app: Page, kaggle: Path, fresh_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(
        "pages._ui.browse.grid.gallery", lambda _, tiles, **_more: drawn.extend(each.badge for each in tiles)
    )
    store_predictions(kaggle, {"p0": 9.0, "p2": -9.0, "p3": 8.0, "p4": -7.0})
    app.open(data=str(kaggle))
    assert drawn == ["", "cannot be read", "", "", ""]
    drawn.clear()
    app.set("probabilities", True)
    assert [badge[-1:] for badge in drawn] == ["%", "d", "%", "%", "%"]


def test_predictions_hold_whatever_is_decided_later(app: Page, kaggle: Path, fresh_home: Path) -> None:
    store_predictions(kaggle, {"p0": 9.0, "p2": -9.0, "p3": 8.0, "p4": -7.0})
    app.open(data=str(kaggle), find="4")
    app.click("Add the 1 of this page")
    app.click("Exclude 1")
    app.set("find", "")
    app.set("verdict", "wrong")
    assert "Tumour · 1\n" in app.words()
    assert "Normal · 1\n" in app.words()
    assert "has not predicted 1 of" in app.one("button", "Predict patches").help  # the broken p1


def test_predictions_are_started_in_the_background(
    app: Page, kaggle: Path, fresh_home: Path, launched: list[list[str]]
) -> None:
    app.open(data=str(kaggle))
    assert "has not predicted these 5 labelled patches" in app.one("button", "Predict patches").help
    assert "verdict" not in app.session_state
    app.click("Predict patches")
    assert launched[0][:3] == ["evaluate", "--data", str(kaggle)]
    assert launched[0][5:7] == ["--subset", "all"]
    assert launched[0][-2:] == ["--decisions", "none"]
    app.click("Cancel")
    assert "Cancelling after the current patches" in app.words()


def test_a_range_in_the_address_filters_and_its_chip_removes_it(app: Page, shaded: Path) -> None:
    app.open(data=str(shaded), range=["brightness:40:110", "contrast:0:1", "nonsense", "eosin:9:1"], in_part="train")
    chips = [each.label for each in app.button if each.key and each.key.startswith("chip-")]
    assert chips == ["split train", "brightness 40 to 110", "contrast 0 to 1"]
    assert "Tumour · 1\n" in app.words()  # p0 of 50; p2 of 200 is out
    app.click("brightness 40 to 110")
    assert app.query_params["range"] == "contrast:0.0:1.0"
    assert "Tumour · 2\n" in app.words()
    app.click("Clear filters")
    assert "range" not in app.query_params
    assert "in_part" not in app.query_params
    assert "Tumour · 3\n" in app.words()


def test_ranges_are_written_and_read_again_without_loss() -> None:
    wanted = Range("loss", float(np.float32(0.1)), 36.04365338911715)
    assert Range.parse(wanted.text) == wanted
    assert [Range.parse(text) for text in ("loss", "loss:1", "loss:a:b", "loss:2:1", "loss:1:2:3")] == [None] * 5


def test_a_clicked_bin_is_a_range_and_another_one_widens_it() -> None:
    edges = np.arange(0.0, 61.0)
    first = charts.widened("eosin", edges, 10, None)
    assert first == Range("eosin", 10, 11)
    wide = charts.widened("eosin", edges, 20, first)
    assert wide == Range("eosin", 10, 21)
    assert charts.widened("eosin", edges, 15, wide) == Range("eosin", 15, 16)


def test_distributions_are_shares_of_each_class() -> None:
    values = np.array([0.0, 0.0, 0.0, 60.0, 60.0], np.float32)
    label = np.array([1, 1, 0, 0, -1], np.int8)
    edges = charts.bin_edges(values)
    assert (edges[0], edges[-1], len(edges)) == (0, 60, 61)
    figure = charts.distribution(values, label, edges, "eosin")
    tumour, normal, unlabelled, bars = figure.data
    assert (tumour.y[0], normal.y[0], normal.y[59], unlabelled.y[59]) == (1.0, 0.5, 0.5, 1.0)
    assert len(bars.x) == 60


def test_slides_stand_by_their_share_of_tumour_and_groups_are_counted() -> None:
    label = np.array([1, 0, 1, 1, 0, -1, 0], np.int8)
    slide = np.array([0, 0, 1, 1, 2, 2, -1], np.int32)
    assert charts.slide_order(label, slide, 3).tolist() == [1, 0, 2]
    tumour, normal, unlabelled = charts.by_group(label, slide, ["a", "b", "c"]).data
    assert (list(tumour.y), list(normal.y), list(unlabelled.y)) == ([1, 2, 0], [1, 0, 1], [0, 0, 1])


@pytest.mark.parametrize(
    ("given", "row"),
    [("a1", 0), ("a1.tif", 0), ("train/a1.tif", 0), ("/data/train/a1.TIF", 0), (r"C:\data\train\a1.png", 0),
     ('"/data/train/a1.tif"', 0), ("tumour/1", 1), ("/data/tumour/1.png", 1), ("/data/normal/1.png", 2), ("v1.2", 3),
     ("v1", None), ("1", None), ("/data/a1.txt", None), ("/data/", None), ("", None)],
)  # fmt: skip
def test_a_patch_is_found_by_its_id_and_by_the_path_of_its_file(given: str, row: int | None) -> None:
    ids = ["a1", "tumour/1", "normal/1", "v1.2"]
    table = make_table(ids, labels=[1, 1, 0, 0], split="train")
    dataset = Dataset("ids", "ids", "kaggle", table, ArrayStore(np.zeros((4, 96, 96, 3), np.uint8)))
    assert Fixed(dataset).row(given) == row
