"""Slides, patients and centres from files as people have them, to the splits, folds, intervals, slices and leaks."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.bundle import Bundle
from core.commands import main
from core.data import Dataset, assign, choose_rule, open_dataset
from core.data.split_summary import summarise
from core.prediction import Predictor
from core.scoring.dataset import score
from core.scoring.subgroups import groups_by, possible_kinds

COUNT = 240
ROWS = pd.DataFrame(
    [
        {"number": number, "label": number // 2 % 2, "slide": f"{number // 8}", "patient": f"{number // 16:03d}",
         "centre": f"{number // 16 % 3}"}
        for number in range(COUNT)
    ]
)  # fmt: skip
"""15 patients of 3 centres, two slides of each."""


def _pixels(number: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(number).integers(0, 255, (96, 96, 3), dtype=np.uint8))


def _save(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _pixels(number).save(path)


def _wilds(folder: Path) -> None:
    lines = [",patient,node,x_coord,y_coord,tumor,slide,center,split"]
    for row in ROWS.itertuples():
        node = int(row.slide) % 2
        lines.append(f"{row.number},{row.patient},{node},{row.number},0,{row.label},{row.slide},{row.centre},0")
        name = f"patient_{row.patient}_node_{node}"
        _save(folder / "patches" / name / f"patch_{name}_x_{row.number}_y_0.png", row.number)
    (folder / "metadata.csv").write_text("\n".join(lines))


def _table(folder: Path) -> None:
    for number in ROWS["number"]:
        _save(folder / "img" / f"p{number}.png", number)
    table = ROWS.assign(file=[f"img/p{number}.png" for number in ROWS["number"]])
    renamed = table.rename(columns={"slide": "Slide ID", "patient": "case", "centre": "hospital"})
    renamed.drop(columns="number").to_csv(folder / "list.csv", index=False, sep=";", encoding="utf-8-sig")


def _kaggle(folder: Path) -> None:
    for number in ROWS["number"]:
        _save(folder / "train" / f"p{number}.tif", number)
    table = ROWS.assign(id=[f"p{number}" for number in ROWS["number"]])
    table[["id", "label", "slide", "patient", "centre"]].to_csv(folder / "train_labels.csv", index=False)


def _parquet(folder: Path) -> None:
    images = []
    for number in ROWS["number"]:
        file = io.BytesIO()
        _pixels(number).save(file, "PNG")
        images.append({"bytes": file.getvalue(), "path": None})
    columns = {name: ROWS[name].to_list() for name in ("label", "slide", "patient")}
    pq.write_table(pa.table({"image": images, **columns, "center": ROWS["centre"].to_list()}), folder / "train.parquet")


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "WILDS camelyon17": _wilds, "table of files": _table, "kaggle": _kaggle, "Parquet with images": _parquet,
}  # fmt: skip


@pytest.fixture(scope="module", params=list(LAYOUTS))
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The same patches in each layout."""
    folder = tmp_path_factory.mktemp("layout")
    LAYOUTS[request.param](folder)
    opened = open_dataset(folder, raw=True)
    assert opened.kind == request.param
    return opened


def _values(dataset: Dataset, group: str) -> np.ndarray:
    return dataset.table[group].to_numpy(object)


def test_groups_are_those_of_the_files(dataset: Dataset) -> None:
    assert len(dataset) == COUNT
    assert dataset.known_groups == ("slide", "patient", "centre")
    assert dataset.unit == "patient"
    assert {group: dataset.table[group].nunique() for group in dataset.known_groups} == {
        "slide": 30, "patient": 15, "centre": 3,
    }  # fmt: skip


@pytest.mark.parametrize("by", ["slide", "patient"])
def test_splits_keep_groups_together(dataset: Dataset, by: str) -> None:
    splits = assign(dataset, choose_rule(dataset, by, seed=3))

    assert set(splits) == {"train", "valid", "test"}
    assert (pd.Series(splits).groupby(_values(dataset, by)).nunique() == 1).all()


def test_each_centre_is_left_out_once(dataset: Dataset) -> None:
    tested = []
    for fold in range(3):
        rule = choose_rule(dataset, "centre", folds=3, fold=fold, valid=0.3)
        splits = assign(dataset, rule)
        assert set(_values(dataset, "centre")[splits == "test"]) == {str(fold)}
        assert (pd.Series(splits).groupby(_values(dataset, "patient")).nunique() == 1).all()
        tested.append(splits == "test")
    assert (np.sum(tested, 0) == 1).all()


def test_folds_test_each_patient_once(dataset: Dataset) -> None:
    tested = [
        set(_values(dataset, "patient")[assign(dataset, choose_rule(dataset, folds=4, fold=fold)) == "test"])
        for fold in range(4)
    ]
    assert sum(map(len, tested)) == len(set.union(*tested)) == 15


def test_intervals_are_over_patients_and_subgroups_by_centre(dataset: Dataset, tiny_bundle: Bundle) -> None:
    scored = score(Predictor(tiny_bundle, device="cpu"), dataset, split="all")

    assert scored.evaluation(0.5).described_slides == "15 patients"
    assert {"slide", "patient", "centre"} <= set(possible_kinds(dataset, scored))
    assert set(groups_by("centre", dataset, scored)) == {"0", "1", "2"}


def test_hospitals_that_share_no_patient_leak_nothing(tmp_path: Path) -> None:
    _wilds(tmp_path)
    dataset = open_dataset(tmp_path, raw=True)
    rule = choose_rule(dataset)

    assert rule.kind == "official"
    assert "leak" not in summarise(dataset, rule, assign(dataset, rule)).caution


def test_a_patient_in_two_official_splits_is_a_leak(
    tmp_path: Path, fresh_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _table(tmp_path)
    table = pd.read_csv(tmp_path / "list.csv", sep=";", dtype=str)
    table["split"] = ["train" if int(case) < 9 else "val" if int(case) < 12 else "test" for case in table["case"]]
    table.loc[0, "split"] = "test"
    table.to_csv(tmp_path / "list.csv", index=False)
    dataset = open_dataset(tmp_path)
    rule = choose_rule(dataset)
    summary = summarise(dataset, rule, assign(dataset, rule))

    assert summary.optimistic
    assert (
        "The splits that the data set came with leak: 1 of 30 slides lies in more than one split (0)" in summary.caution
    )
    assert "1 of 15 patients lies in more than one split (000)" in summary.caution
    main(["check", str(tmp_path), "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["groups_in_several_splits"]
    assert found == {"slide": ["0"], "patient": ["000"], "centre": ["0", "1", "2"]}
