"""Patients and centres on Browse: they filter, count and divide as slides do; and what is exported from there."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from core.data import Dataset
from core.display.data_set import CARD
from pages._ui import cache
from pages._ui.browse.columns import Fixed
from tests.pages.driver import Page


@pytest.fixture
def page(app: Page, fresh_home: Path, small_demo: Dataset, monkeypatch: pytest.MonkeyPatch) -> Page:
    """The small demo set, its twelve slides of six patients in three centres."""
    slide = pd.factorize(small_demo.table["slide"], sort=True)[0]
    groups = {
        "patient": pd.array([f"p{code // 2}" for code in slide], dtype="string"),
        "centre": pd.array([f"c{code % 3}" for code in slide], dtype="string"),
    }
    grouped = replace(small_demo, table=small_demo.table.assign(**groups))
    monkeypatch.setattr(cache, "open_dataset", lambda *_, **__: grouped)
    return app


def test_each_group_is_a_filter_with_a_chip(page: Page, small_demo: Dataset) -> None:
    page.open(centre="c1", patient="p2")
    assert [each.label for each in page.button if (each.key or "").startswith("chip-")] == ["patient p2", "centre c1"]
    count = sum(
        code == 4 for code in pd.factorize(small_demo.table["slide"], sort=True)[0]
    )  # of p2, the slide 4 is in c1
    shown = [
        int(line.rsplit("· ")[1]) for line in page.words().splitlines() if line.startswith(("Tumour ·", "Normal ·"))
    ]
    assert sum(shown) == count


def test_an_empty_result_offers_what_each_filter_hides(page: Page) -> None:
    page.open(centre="c0", patient="p2", show="Tumour")  # p2 has the slides 4 and 5, of the centres c1 and c2
    assert "No patch passes all filters." in page.words()
    offers = [label for label in page.labels() if label.startswith("Remove “")]
    assert [offer.rsplit(":")[0] for offer in offers] == ["Remove “patient p2”", "Remove “centre c0”"]
    page.click(offers[1])
    assert "No patch passes all filters." not in page.words()
    assert "centre" not in page.query_params


@pytest.mark.usefixtures("page")
def test_a_patient_in_two_official_splits_is_called_a_leak() -> None:
    grouped = cache.open_dataset("demo")
    splits = grouped.table.groupby("patient")["split"].nunique()
    divided = splits[splits > 1].index
    assert Fixed(grouped).leaks == [f"{len(divided)} of 6 patients lie in more than one split (such as {divided[0]})"]
    whole = replace(grouped, table=grouped.table.assign(patient=grouped.table["slide"]))
    assert Fixed(whole).leaks == []


def test_balance_counts_by_any_group(page: Page) -> None:
    page.open(browse_view="Balance")
    assert "12 slides." in page.words()
    page.set("group", "centre")
    assert "3 centres." in page.words()


def test_one_centre_is_left_out_by_its_name(page: Page) -> None:
    page.open(browse_view="Splits")
    page.set("split_by", "centre")
    page.set("split_centre", 2)
    assert "fold 3 of 3 to test" in page.words()
    assert "centre c2 held out" in page.words()
    assert not [each for each in page.number_input if each.label == "Test, %"]
    table = page.dataframe[0].value.set_index("split")
    assert table.loc["test", "centres"] == 1
    assert table.loc["test", "patches"] == 48


def test_the_data_set_is_exported_in_the_background(page: Page, launched: list[list[str]], tmp_path: Path) -> None:
    page.open(browse_view="Get data")
    page.set("export_layout", "parquet")
    page.set("export_subset", "test")
    page.set("export_split", "By patient")
    field = next(each for each in page.text_input if each.label == "New folder on this computer")
    field.set_value(str(tmp_path / "out")).run()
    page.click("Export")
    assert launched[0] == [
        "export", "--data", "demo", "--out", str(tmp_path / "out"), "--layout", "parquet", "--subset", "test",
        "--split", "patient",
    ]  # fmt: skip
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / CARD).write_text("# made")
    next(each for each in page.text_input if each.label == "New folder on this computer").set_value(
        str(tmp_path / "made")
    ).run()
    assert f"The data set is in {tmp_path / 'made'}" in page.words()
    assert "Export" not in page.labels()
