from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.bundle.shipped import DEFAULT, SHIPPED
from core.data import Decision, decide, decisions_of, open_dataset
from core.features.label_errors import IMAGENET_KEY, LabelIssues, save_label_issues
from pages._ui.browse.label_errors import IMAGENET

LABELS = {"a": 0, "b": 0, "c": 0, "d": 0, "e": 1, "f": 1, "g": 1, "h": 1}
TUMOUR = [0.1, 0.2, 0.3, 0.9, 0.8, 0.7, 0.9, 0.1]  # the most suspicious: d and h, then c and f


def words(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def button(app: AppTest, label: str):
    return next(each for each in app.button if each.label == label)


def labels(app: AppTest) -> list[str]:
    return [each.label for each in app.button]


@pytest.fixture
def folder(kaggle_folder: Callable[..., Path], fresh_home: Path) -> Path:
    return kaggle_folder(LABELS)


@pytest.fixture
def page(app: AppTest, folder: Path) -> AppTest:
    """Label errors of a small folder, by features that know none of its labels; not run yet."""
    app.query_params["data"] = str(folder)
    app.query_params["browse_view"] = "Label errors"
    app.query_params["errors_by"] = IMAGENET
    return app


@pytest.fixture
def ranked(page: AppTest, folder: Path) -> AppTest:
    """The same with a stored ranking."""
    dataset = open_dataset(folder)
    numbers, tumour = np.array(list(LABELS.values())), np.array(TUMOUR)
    label_issues = LabelIssues(tuple(LABELS), numbers, tumour, np.arange(8) % 2, "linear probe", dataset.fingerprint())
    save_label_issues(label_issues, dataset, IMAGENET_KEY)
    return page


def test_a_ranking_is_started_from_the_page_and_watched(page: AppTest, folder: Path, launched: list[list[str]]) -> None:
    page.run()
    assert not page.exception
    assert "8 labelled patches are to be looked at" in words(page)
    button(page, "Rank the labels").click().run()
    assert not page.exception
    assert launched == [["label-errors", "--data", str(folder), "--probe", "--imagenet", "--device", "auto"]]
    assert "Stop" in labels(page)
    page.selectbox(key="errors_by").set_value("Quick probe: the sidebar's model").run()
    assert "was trained on labels like these" in words(page)
    button(page, "Rank the labels").click().run()
    assert launched[1][:5] == ["label-errors", "--data", str(folder), "--probe", "--bundle"]
    assert launched[1][5] == str(SHIPPED[DEFAULT])


def test_suspects_are_told_and_filtered_by_label(ranked: AppTest) -> None:
    ranked.run()
    assert not ranked.exception
    assert "About **2 of 8 labels** (25.0%) are wrong, by estimate" in words(ranked)
    assert "8 patches by rank" in words(ranked)
    assert "Nothing is decided yet" in words(ranked)
    assert "Rank again" not in labels(ranked)
    ranked.segmented_control(key="errors_class").set_value("tumour").run()
    assert "4 patches by rank" in words(ranked)


def test_a_patch_is_decided_about_and_the_decision_undone(ranked: AppTest, folder: Path) -> None:
    ranked.query_params["open"] = "d"
    ranked.run()
    assert not ranked.exception
    assert {"Relabel as tumour", "Exclude", "Label is right"} <= set(labels(ranked))
    button(ranked, "Relabel as tumour").click().run()
    assert not ranked.exception
    assert decisions_of(str(folder)) == {"d": Decision("relabel", 1)}
    assert "**Your decision**: relabelled as tumour" in words(ranked)
    assert "Relabel as tumour" in labels(ranked)  # the label that the data came with decides which is the other one
    assert "Tumour **4 → 5**" in words(ranked)
    assert "Normal **4 → 3**" in words(ranked)
    assert "1 relabelled · 0 excluded · 0 fine" in words(ranked)
    assert "7 patches by rank" in words(ranked)  # the undecided ones
    assert "made before the latest decisions" in words(ranked)
    assert "Label :red[**tumour**] by decision (normal in the data)" in words(ranked)
    button(ranked, "Exclude").click().run()
    assert decisions_of(str(folder))["d"].kind == "exclude"
    assert "Label :green[**normal**]" in words(ranked)
    assert "Normal **4 → 3**" in words(ranked)
    button(ranked, "Undo").click().run()
    assert decisions_of(str(folder)) == {"d": Decision("relabel", 1)}
    button(ranked, "Undo").click().run()
    assert decisions_of(str(folder)) == {}
    assert "Undo" not in labels(ranked)


def test_decided_patches_have_a_view_of_their_own(ranked: AppTest, folder: Path) -> None:
    decide(str(folder), {"d": Decision("exclude"), "h": Decision("fine"), "a": Decision("fine")})
    ranked.run()
    ranked.segmented_control(key="errors_show").set_value("decided").run()
    assert not ranked.exception
    assert "3 patches by rank" in words(ranked)
    assert "0 relabelled · 1 excluded · 2 fine" in words(ranked)
    ranked.segmented_control(key="errors_show").set_value("all").run()
    assert "8 patches by rank" in words(ranked)


def test_a_new_decision_counts_on_the_other_views_at_once(ranked: AppTest, folder: Path) -> None:
    ranked.query_params["open"] = "h"
    ranked.run()
    button(ranked, "Exclude").click().run()
    ranked.segmented_control(key="browse_view").set_value("Patches").run()
    assert not ranked.exception
    assert "solid red outline** · 3 patches" in words(ranked)
    assert open_dataset(folder).class_counts() == (4, 3)
