"""Labels made here go out in the layout that the patches came in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from core.data import Dataset, Decision, FileStore, decide, make_table, open_dataset
from core.data.labels import labels_csv


@pytest.fixture
def folder(kaggle_folder: Callable[..., Path], fresh_home: Path) -> Path:
    return kaggle_folder({"a": 0, "b": 1}, test=("x", "y", "z"))


def test_kaggles_layout_has_id_and_label_and_opens_again(folder: Path) -> None:
    decide(str(folder), {"x": Decision("relabel", 1), "b": Decision("exclude")}, by="Anna")
    decide(str(folder), {"y": Decision("skip")})
    lines = labels_csv(str(folder)).splitlines()
    assert lines[:2] == ["id,label,by,at", "a,0,,"]
    assert [line.rsplit(",", 1)[0] for line in lines[2:]] == ["x,1,Anna"]
    (folder / "train_labels.csv").write_text(labels_csv(str(folder)))
    (folder / "test" / "x.tif").rename(folder / "train" / "x.tif")
    labels = open_dataset(folder, decisions="none").table.set_index("id")["label"]
    assert labels.dropna().to_dict() == {"a": 0, "x": 1}


def test_other_layouts_name_the_path_and_the_groups(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table(["u", "v"], split="train", slides=["s", None])
    store = FileStore([folder / "in" / "u.png", folder / "v.png"])
    other = Dataset("other", str(folder), "joined", table, store)
    monkeypatch.setattr("core.data.labels.open_dataset", lambda *_, **__: other)
    decide(str(folder), {"u": Decision("relabel", 0)}, by="Anna")
    lines = labels_csv(str(folder)).splitlines()
    assert lines[0] == "path,label,split,slide,by,at"
    assert lines[1].startswith("in/u.png,0,train,s,Anna,20")
