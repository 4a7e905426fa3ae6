"""``python -m core predict``: every readable image gets its line, in a stable order."""

import csv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.bundle import Bundle, OperatingCurve
from core.commands import main
from core.prediction import Predictor

PATCHES = np.random.default_rng(0).integers(0, 256, (5, 96, 96, 3), dtype=np.uint8)


@pytest.fixture
def bundle(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    tiny_bundle.save(tmp_path / "bundle.safetensors")
    return tmp_path / "bundle.safetensors"


@pytest.fixture
def expected(tiny_bundle: Bundle) -> list[float]:
    return list(Predictor(tiny_bundle, device="cpu").predict(PATCHES).probabilities)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name, patch in zip("bca", PATCHES, strict=False):
        Image.fromarray(patch).save(tmp_path / "images" / f"{name}.tif")
    return tmp_path / "images"


def _rows(text: str) -> list[tuple[str, float]]:
    header, *rows = csv.reader(text.splitlines())
    assert header == ["id", "probability"]
    return [(patch_id, float(probability)) for patch_id, probability in rows]


def _predict(bundle: Path, *arguments: str | Path) -> int:
    return main(["predict", "--bundle", str(bundle), "--device", "cpu", *map(str, arguments)])


def test_a_file(bundle: Path, folder: Path, expected: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    assert _predict(bundle, folder / "c.tif") == 0

    output = capsys.readouterr()
    assert _rows(output.out) == [("c", expected[1])]
    assert output.err == ""


def test_a_folder_is_in_the_order_of_its_names(
    bundle: Path, folder: Path, expected: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _predict(bundle, folder) == 0

    assert _rows(capsys.readouterr().out) == [("a", expected[2]), ("b", expected[0]), ("c", expected[1])]


def test_a_zip(
    bundle: Path, folder: Path, expected: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in "cab":
            archive.write(folder / f"{name}.tif", f"inner/{name}.tif")

    assert _predict(bundle, tmp_path / "x.zip") == 0

    assert _rows(capsys.readouterr().out) == [("a", expected[2]), ("b", expected[0]), ("c", expected[1])]


def test_one_broken_file_fails_alone(
    bundle: Path, folder: Path, expected: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "b.tif").write_bytes((folder / "b.tif").read_bytes()[:5000])
    out = tmp_path / "p.csv"

    assert _predict(bundle, folder, tmp_path / "gone.tif", "--out", out) == 1

    assert _rows(out.read_text()) == [("a", expected[2]), ("c", expected[1])]
    output = capsys.readouterr()
    assert output.out == ""
    assert "not read: b.tif: " in output.err
    assert "gone.tif: There is no such file" in output.err
    assert "2 could not be read, 2 were predicted." in output.err


def test_nothing_readable_writes_the_header_only(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()

    assert _predict(bundle, tmp_path / "empty") == 1

    assert capsys.readouterr().out == "id,probability\n"


@pytest.mark.parametrize("name", ["=1+2", "+x", "-x", "@x"])
def test_an_id_is_no_formula_in_a_spreadsheet(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    Image.fromarray(PATCHES[0]).save(tmp_path / f"{name}.png")

    assert _predict(bundle, tmp_path / f"{name}.png") == 0

    assert [patch_id for patch_id, _ in _rows(capsys.readouterr().out)] == [f"'{name}"]


def test_the_same_words_give_the_same_bytes(
    bundle: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("1.csv", "2.csv"):
        assert _predict(bundle, folder, "--out", tmp_path / name) == 0

    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


@pytest.mark.parametrize(
    ("out", "message"),
    [("file/p.csv", "There is no folder"), ("typo/p.csv", "There is no folder"), (".", "could not be written")],
)
def test_a_place_that_cannot_be_written_is_said(
    bundle: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str, message: str
) -> None:
    (tmp_path / "file").touch()

    assert _predict(bundle, folder, "--out", tmp_path / out) == 2

    assert message in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


def test_a_bundle_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _predict(tmp_path / "gone.safetensors", tmp_path) == 2

    assert capsys.readouterr().err.startswith("error: There is no bundle at ")


def test_a_prevalence_moves_the_probabilities(
    tiny_bundle: Bundle, folder: Path, expected: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curve = OperatingCurve.measured([0, 1], [0.2, 0.7])  # half of them tumour
    Bundle(tiny_bundle.card.with_changes(operating=curve), tiny_bundle.weights).save(tmp_path / "half.safetensors")

    assert _predict(tmp_path / "half.safetensors", folder / "c.tif", "--prevalence", "0.1") == 0

    odds = expected[1] / (1 - expected[1]) / 9
    ((_, probability),) = _rows(capsys.readouterr().out)
    assert probability == pytest.approx(odds / (1 + odds))


def test_a_prevalence_needs_a_card_that_says_what_it_is_moved_from(
    bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _predict(bundle, folder / "c.tif", "--prevalence", "0.1") == 2

    assert "does not say how much tumour" in capsys.readouterr().err
