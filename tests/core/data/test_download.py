"""Fetching public data, with stand-ins for the packages that do it: no network."""

import os
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from core.data import download, open_dataset
from core.data.download import COMPETITION, PCAM_SPLITS, STAGING, fetch
from core.errors import DataError, StorageError
from core.job import Cancelled


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(download, "_needed", lambda _name, _folder: 0)


def _write_split(place: Path, split: str, *, labels: int = 4) -> None:
    place.mkdir(parents=True, exist_ok=True)
    with h5py.File(place / f"camelyonpatch_level_2_split_{split}_x.h5", "w") as file:
        file["x"] = np.zeros((4, 96, 96, 3), np.uint8)
    with h5py.File(place / f"camelyonpatch_level_2_split_{split}_y.h5", "w") as file:
        file["y"] = (np.arange(labels) % 2).astype(np.uint8).reshape(-1, 1, 1, 1)


@pytest.fixture
def pcam(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A stand-in for torchvision's PCAM that writes tiny files; returns which splits were requested."""
    asked: list[str] = []

    def fake(root: str, split: str, download: bool) -> None:
        assert download
        asked.append(split)
        _write_split(Path(root) / "pcam", PCAM_SPLITS[split][0])
        (Path(root) / "pcam" / "x.h5.gz").write_bytes(b"packed")

    monkeypatch.setattr("torchvision.datasets.PCAM", fake)
    monkeypatch.setitem(sys.modules, "gdown", types.ModuleType("gdown"))
    return asked


def _kaggle(monkeypatch: pytest.MonkeyPatch, what: Callable[[str], str]) -> None:
    module = types.ModuleType("kagglehub")
    module.competition_download = what  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kagglehub", module)
    monkeypatch.setenv("KAGGLEHUB_CACHE", "")


def _quiet(share: float) -> None:
    assert 0 <= share <= 1


def test_pcam_is_fetched_part_by_part_and_opens(pcam: list[str], tmp_path: Path) -> None:
    fetch("pcam", tmp_path / "pcam", progress=_quiet)

    assert pcam == ["train", "val", "test"]
    dataset = open_dataset(tmp_path / "pcam")
    assert (len(dataset), dataset.problems) == (12, ())
    assert not (tmp_path / "pcam" / STAGING).exists()  # neither packed files nor anything half


def test_what_is_there_is_not_fetched_again(pcam: list[str], tmp_path: Path) -> None:
    _write_split(tmp_path, "train")

    fetch("pcam", tmp_path, progress=_quiet)

    assert pcam == ["val", "test"]


def test_what_a_killed_attempt_unpacked_is_not_trusted_but_what_it_fetched_is_kept(
    pcam: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / STAGING / "pcam"
    _write_split(place, "train")
    (place / "camelyonpatch_level_2_split_train_x.h5").write_bytes(b"half")
    (place / "camelyonpatch_level_2_split_train_x.h5.gz").write_bytes(b"whole")
    seen = []
    real = sys.modules["torchvision.datasets"].PCAM
    monkeypatch.setattr(
        "torchvision.datasets.PCAM",
        lambda root, split, download: (
            seen.append(sorted(each.name for each in place.glob("*"))),
            real(root, split, download),
        ),
    )

    fetch("pcam", tmp_path, progress=_quiet)

    assert seen[0] == ["camelyonpatch_level_2_split_train_x.h5.gz"]
    assert len(open_dataset(tmp_path)) == 12


def test_files_that_do_not_belong_together_never_take_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gdown", types.ModuleType("gdown"))

    def fake(root: str, split: str, **_: bool) -> None:
        _write_split(Path(root) / "pcam", PCAM_SPLITS[split][0], labels=3)

    monkeypatch.setattr("torchvision.datasets.PCAM", fake)

    with pytest.raises(DataError, match="3 labels for 4 patches"):
        fetch("pcam", tmp_path, progress=_quiet)
    assert [each.name for each in tmp_path.iterdir()] == [STAGING]


def test_the_competition_takes_its_place_with_the_labels_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake(handle: str) -> str:
        place = Path(os.environ["KAGGLEHUB_CACHE"]) / "competitions" / handle
        for split in ("train", "test"):
            (place / split).mkdir(parents=True)
            (place / split / "p.tif").write_bytes(b"")
        (place / "train_labels.csv").write_text("id,label\np,1\n")
        return str(place)

    _kaggle(monkeypatch, fake)
    order: list[str] = []
    real = download.os.replace
    monkeypatch.setattr(download.os, "replace", lambda a, b: (order.append(Path(b).name), real(a, b)))

    fetch("kaggle", tmp_path / "k", progress=_quiet)

    assert len(order) == 3
    assert order[-1] == "train_labels.csv"
    assert sorted(each.name for each in (tmp_path / "k").iterdir()) == ["test", "train", "train_labels.csv"]


def test_without_a_network_the_sentence_says_what_to_do_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(handle: str) -> str:
        raise ConnectionError("Failed to resolve 'www.kaggle.com'")

    _kaggle(monkeypatch, fail)

    with pytest.raises(DataError) as caught:
        fetch("kaggle", tmp_path, progress=_quiet)
    for words in ("there is no connection to its server", f"kaggle.com/c/{COMPETITION}/data", "in the sidebar"):
        assert words in str(caught.value)


def test_without_a_token_the_sentence_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class UnauthenticatedError(Exception):
        pass

    def fail(handle: str) -> str:
        raise UnauthenticatedError("User is not authenticated")

    _kaggle(monkeypatch, fail)

    with pytest.raises(DataError, match=r"Make a token at https://www.kaggle.com/settings.*kaggle.json"):
        fetch("kaggle", tmp_path, progress=_quiet)


@pytest.mark.parametrize(("name", "package"), [("pcam", "gdown"), ("kaggle", "kagglehub")])
def test_a_missing_package_is_named(name: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # importing it now raises ImportError

    with pytest.raises(DataError, match=f"needs the package {package}: pip install {package}. By hand"):
        fetch(name, tmp_path, progress=_quiet)


def test_a_disk_that_is_too_small_is_refused_before_anything_is_fetched(
    pcam: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_needed", lambda _name, _folder: 1e18)

    with pytest.raises(StorageError, match="needs 1000000000 GB on the disk"):
        fetch("pcam", tmp_path, progress=_quiet)
    assert pcam == []


def test_a_folder_with_patches_of_its_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()

    with pytest.raises(DataError, match="holds a folder train already"):
        fetch("kaggle", tmp_path, progress=_quiet)


def test_cancelling_ends_the_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    _kaggle(monkeypatch, lambda _handle: release.wait(5) or "")

    def stop(share: float) -> None:
        raise Cancelled

    try:
        with pytest.raises(Cancelled):
            fetch("kaggle", tmp_path, progress=stop)
    finally:
        release.set()


def test_progress_is_bytes_on_disk_against_what_is_known_to_come(tmp_path: Path) -> None:
    (tmp_path / "pcam").mkdir()
    (tmp_path / "pcam" / "x.gz").write_bytes(b"1" * 1000)

    assert download._share(tmp_path, 3000.0, 8000.0) == 0.5
    assert sum(packed for _, packed, _ in download.PCAM_SPLITS.values()) == pytest.approx(8.03e9, rel=0.001)
    assert sum(patches for _, _, patches in download.PCAM_SPLITS.values()) == 327_680
