"""What a shared viewer may open: nothing outside the data roots is opened, listed or told about."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.bundle import load_bundle
from core.bundle.shipped import SHIPPED
from core.data import make_pack, open_dataset
from core.data.choices import Choices, remember
from core.data.download import fetch
from core.data.image_files import folders_in
from core.data.recent import recent, remember_opened
from core.data.split_file import load_split
from core.display.data_set import export_data_set
from core.errors import DataError
from core.progress import no_progress
from core.slides.folders import slides_in
from core.storage.home import home
from core.storage.roots import ROOTS_VARIABLE, is_allowed, roots
from core.training.pretrained import load_pretrained


@pytest.fixture
def allowed(tmp_path: Path, fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only data root, beside a folder that is none."""
    for name in ("allowed", "allowed-not", "secret"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv(ROOTS_VARIABLE, str(tmp_path / "allowed"))
    return tmp_path / "allowed"


def test_without_roots_everything_may_be_opened(tmp_path: Path) -> None:
    assert roots() == ()
    assert is_allowed(tmp_path)


@pytest.mark.parametrize("inside", ["allowed", "allowed/new", "allowed/../allowed/x", "home/runs"])
def test_what_lies_in_a_root_or_the_home_is_allowed(allowed: Path, tmp_path: Path, inside: str) -> None:
    assert is_allowed(tmp_path / inside)


@pytest.mark.parametrize("outside", ["", "secret", "allowed-not", "allowed/../secret", "allowed/link", "allowed/a\0b"])
def test_what_lies_elsewhere_is_refused_also_through_a_link(allowed: Path, tmp_path: Path, outside: str) -> None:
    (allowed / "link").symlink_to(tmp_path / "secret")

    assert not is_allowed(tmp_path / outside)


@pytest.mark.parametrize("name", ["there", "not-there"])
def test_every_door_refuses_in_the_same_words_whether_there_is_anything(
    allowed: Path, tmp_path: Path, kaggle_folder: Callable[..., Path], name: str
) -> None:
    if name == "there":
        kaggle_folder({"a": 0, "b": 1}, name="secret/there")
    path = tmp_path / "secret" / name
    doors: dict[str, Callable[[], object]] = {
        "data": lambda: open_dataset(path), "raw": lambda: open_dataset(path, raw=True),
        "slides": lambda: slides_in(path), "split": lambda: load_split(path), "bundle": lambda: load_bundle(path),
        "weights": lambda: load_pretrained(None, str(path)),  # type: ignore[arg-type]
        "download": lambda: fetch("pcam", path, progress=no_progress),
    }  # fmt: skip
    said = set()
    for door in doors.values():
        with pytest.raises(DataError) as raised:
            door()
        said.add(str(raised.value))

    assert said == {f"{path} may not be opened here. Choose something in {allowed}."}
    assert folders_in(path) == []
    assert not (path / ".download").exists()


def test_the_inside_works_as_ever(allowed: Path, kaggle_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = kaggle_folder({"a": 0, "b": 1}, name="allowed/set")

    assert len(open_dataset(folder)) == 2
    make_pack(open_dataset(folder, raw=True))
    assert open_dataset(folder).store.load([0]).readable.all()
    assert load_bundle(SHIPPED["nodescope-net"]).card.model
    assert folders_in(allowed) == ["set"]
    with pytest.raises(DataError, match="may not be opened here"):
        export_data_set(open_dataset(folder), np.arange(2), tmp_path / "secret" / "out")
    assert export_data_set(open_dataset(folder), np.arange(2), home() / "exports" / "out").path.is_dir()


def test_a_table_in_a_root_reads_no_file_outside(allowed: Path, tmp_path: Path) -> None:
    for folder in ("secret", "allowed"):
        Image.fromarray(np.zeros((96, 96, 3), np.uint8)).save(tmp_path / folder / f"{folder}.png")
    lines = [f"{tmp_path}/secret/secret.png,1", "../secret/secret.png,1", "allowed.png,0"]
    (allowed / "patches.csv").write_text("path,label\n" + "\n".join(lines) + "\n")

    dataset = open_dataset(allowed / "patches.csv")

    assert dataset.table["id"].tolist() == ["allowed"]
    remember(dataset.source, Choices(root=str(tmp_path / "secret")))
    with pytest.raises(DataError, match="may not be opened here"):
        open_dataset(allowed / "patches.csv")


def test_what_was_opened_before_there_were_roots_is_not_offered(allowed: Path, tmp_path: Path) -> None:
    remember_opened(str(tmp_path / "secret" / "x"), "2 patches")
    remember_opened(str(allowed / "y"), "3 patches")

    assert [each.source for each in recent()] == [str(allowed / "y")]
