"""``python -m core region`` as a person calls it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.bundle import INTENDED_USE, load_bundle
from core.commands import main
from core.data import Dataset
from core.prediction import Predictor
from core.prediction.region import examine_tiles, map_json, read_region


@pytest.fixture
def picture(small_demo: Dataset, tmp_path: Path) -> Path:
    """Two patches side by side."""
    Image.fromarray(np.concatenate(list(small_demo.store.load([0, 1]).pixels), axis=1)).save(tmp_path / "two.png")
    return tmp_path / "two.png"


def test_it_writes_the_map_as_a_picture_and_as_a_table(picture: Path, tmp_path: Path, capsys) -> None:
    over, table, values = (tmp_path / name for name in ("map.png", "map.csv", "map.json"))
    out = [word for path in (over, table, values) for word in ("--out", str(path))]

    status = main(["region", str(picture), *out, "--threshold", "0", "--device", "cpu"])

    assert status == 0
    with Image.open(picture) as opened:
        pixels = np.array(opened)
    predictor = Predictor(load_bundle("nodescope-net"), device="cpu")
    expected = replace(read_region(predictor, pixels), tiles=examine_tiles(predictor, pixels))
    with Image.open(over) as drawn:
        assert drawn.text["Disclaimer"] == INTENDED_USE
        assert drawn.text["Threshold"] == "0.0000"
        np.testing.assert_array_equal(np.asarray(drawn), expected.overlay(pixels, threshold=0.0))
    assert table.read_text() == expected.table()
    assert values.read_text() == map_json(predictor.bundle, 0.0, expected)
    said = capsys.readouterr().out
    assert (
        f"192×96 pixels, 13×1 places, {expected.tissue_share():.1%} with tissue: of these 100.0% called tumour" in said
    )
    assert f"{len(expected.unusual)} of 2 tiles are out-of-distribution" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "map.jpg"], "map.jpg should end in .png, .csv, .json"),
        (["--out", "gone/map.png"], "There is no folder gone"),
        (["--out", "two.png"], "two.png is the picture itself, which would be lost"),
        (["--out", "map.png", "--threshold", "2"], "--threshold must be 0 to 1, got 2."),
        (["--out", "map.png", "--mpp", "fine"], "--mpp must be µm per pixel"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(
    words: list[str], said: str, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["region", str(picture), *words, "--device", "cpu"]) == 2

    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["two.png"]


def test_a_picture_that_is_not_there_or_too_small_is_said(tmp_path: Path, capsys) -> None:
    Image.new("RGB", (95, 300)).save(tmp_path / "thin.png")

    assert main(["region", str(tmp_path / "none.png"), "--out", str(tmp_path / "a.png")]) == 2
    assert "none.png cannot be read: No such file or directory." in capsys.readouterr().err
    assert main(["region", str(tmp_path / "thin.png"), "--out", str(tmp_path / "a.png")]) == 2
    assert "95×300 pixels" in capsys.readouterr().err
