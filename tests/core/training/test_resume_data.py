"""A run goes on with the patches that it began with, and says what was done to their pictures."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import RunError
from core.runs import Run
from core.training.checkpoint import load_checkpoint
from core.training.execute import execute

UPRIGHT = "The picture was rotated or mirrored upright, as its orientation tag says."
TURNED = ("003", "004", "005")


@pytest.fixture
def folder(kaggle_folder: Callable[..., Path]) -> Path:
    """60 patches, of which three are PNG files that say that they lie on their side."""
    folder = kaggle_folder({f"{number:03}": number % 2 for number in range(60)})
    lying = Image.Exif()
    lying[0x0112] = 6
    for name in TURNED:
        tif = folder / "train" / f"{name}.tif"
        Image.open(tif).save(tif.with_suffix(".png"), exif=lying)
        tif.unlink()
    return folder


@pytest.fixture
def stopped(folder: Path, stopped_run: Callable[[Path, Path], Run], tmp_path: Path) -> Run:
    return stopped_run(folder, tmp_path / "run")


def _change_checkpoint(run: Run, change: Callable[[dict[str, Any]], object]) -> None:
    state = load_checkpoint(run.checkpoint_path, torch.device("cpu"))
    change(state)
    torch.save(state, run.checkpoint_path)


def test_what_was_done_to_pictures_stands_in_the_log(stopped: Run) -> None:
    listed = [line for line in stopped.log_path.read_text().splitlines() if UPRIGHT in line]
    used = {line.split(",")[0] for line in (stopped.path / "split.csv").read_text().splitlines() if "test" not in line}

    assert sum(int(line.split("WARNING ")[1].split()[0]) for line in listed) == len(used & set(TURNED)) > 0
    assert all(line.endswith(tuple(f"(such as {name})" for name in TURNED)) for line in listed)


def test_a_run_of_an_earlier_version_that_read_pictures_otherwise_goes_on_and_says_so(
    stopped: Run, caplog: pytest.LogCaptureFixture
) -> None:
    _change_checkpoint(stopped, lambda state: state.pop("data"))
    with caplog.at_level(logging.WARNING):
        assert execute(stopped).state == "finished"

    assert "An earlier version began this run and read" in stopped.log_path.read_text()


def _other_label(folder: Path) -> None:
    labels = folder / "train_labels.csv"
    first, row, *rest = labels.read_text().splitlines()
    patch_id, label = row.split(",")
    labels.write_text("\n".join([first, f"{patch_id},{1 - int(label)}", *rest]) + "\n")


def _other_pixels(folder: Path) -> None:
    for path in (folder / "train").glob("*.tif"):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)


def _without_a_note(folder: Path) -> None:
    for name in TURNED:
        path = folder / "train" / f"{name}.png"
        Image.fromarray(np.rot90(np.asarray(Image.open(path)), -1)).save(path)  # the same pixels, and no tag


def _fewer(folder: Path) -> None:
    for path in sorted((folder / "train").glob("01?.tif")):
        path.unlink()


@pytest.mark.parametrize(
    ("change", "differing"),
    [(_other_label, "labels"), (_other_pixels, "pixels"), (_without_a_note, "pixels"),
     (_fewer, "patches and labels and pixels")],
)  # fmt: skip
def test_a_run_does_not_go_on_with_other_data(
    stopped: Run, folder: Path, change: Callable[[Path], None], differing: str
) -> None:
    change(folder)

    with pytest.raises(RunError, match=f"^The {differing} are not those that the run run began with"):
        execute(stopped)

    assert stopped.status().state == "failed"
    assert "Put the data back as it was" in stopped.status().message


def test_data_that_was_put_back_lets_a_refused_run_go_on(stopped: Run, folder: Path) -> None:
    labels = folder / "train_labels.csv"
    before = labels.read_text()
    _other_label(folder)
    with pytest.raises(RunError):
        execute(stopped)

    labels.write_text(before)

    assert execute(stopped).state == "finished"
