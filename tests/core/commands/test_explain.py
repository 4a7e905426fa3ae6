"""``python -m core explain`` and ``predict --submission`` as a person calls them."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.bundle import Bundle
from core.commands import main
from core.data import Dataset
from core.prediction import Predictor


@pytest.fixture
def bundle(tiny_bundle: Bundle, tmp_path: Path) -> str:
    tiny_bundle.save(tmp_path / "tiny.safetensors")
    return str(tmp_path / "tiny.safetensors")


@pytest.fixture
def patches(small_demo: Dataset, tmp_path: Path) -> Path:
    folder = tmp_path / "patches"
    folder.mkdir()
    for number, pixels in enumerate(small_demo.store.load([0, 1]).pixels):
        Image.fromarray(pixels).save(folder / f"p{number}.tif")
    return folder


def test_explain_writes_maps_and_report(bundle: str, patches: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    names = ["--method", "grad-cam", "--method", "saliency"]
    assert main(["explain", str(patches), "--out", str(out), "--bundle", bundle, "--device", "cpu", *names]) == 0
    assert sorted(path.name for path in (out / "p0").iterdir()) == [
        "grad-cam.npy", "grad-cam.png", "report.html", "saliency.npy", "saliency.png",
    ]  # fmt: skip
    values = np.load(out / "p1" / "saliency.npy")
    assert values.shape == (3, 96, 96)
    assert values.dtype == np.float32
    assert np.abs(values).sum() > 0
    with Image.open(out / "p1" / "grad-cam.png") as picture:
        assert picture.size == (384, 384)
    assert "Research use only" in (out / "p0" / "report.html").read_text("utf-8")
    assert re.match(r"p0\.tif: \d+\.\d%, (tumour|normal)\. ", capsys.readouterr().out)


def test_explain_measures_the_slow_figures_on_request(bundle: str, patches: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = [
        "explain",
        str(patches / "p0.tif"),
        "--out",
        str(out),
        "--bundle",
        bundle,
        "--device",
        "cpu",
        "--trust",
    ]
    assert main(arguments) == 0
    page = (out / "p0" / "report.html").read_text("utf-8")
    for question in ("Does taking it away matter?", "Is it steady?", "Does it show what was learnt?"):
        assert question in page


def test_explain_goes_on_past_a_broken_file(bundle: str, patches: Path, tmp_path: Path, capsys) -> None:
    (patches / "p0.tif").write_bytes(b"no image")
    assert main(["explain", str(patches), "--out", str(tmp_path / "o"), "--bundle", bundle, "--device", "cpu"]) == 1
    assert "not read: p0.tif: This is text, not an image" in capsys.readouterr().err
    assert (tmp_path / "o" / "p1" / "report.html").is_file()


def test_explain_names_what_there_is(bundle: str, patches: Path, tmp_path: Path, capsys) -> None:
    arguments = ["explain", str(patches), "--out", str(tmp_path), "--bundle", bundle, "--method", "magic"]
    assert main(arguments) == 2
    assert "choose one of grad-cam" in capsys.readouterr().err


def test_a_submission_is_the_samples_ids_with_our_probabilities(
    bundle: str, tiny_bundle: Bundle, small_demo: Dataset, patches: Path, tmp_path: Path, capsys
) -> None:
    sample, out = tmp_path / "sample.csv", tmp_path / "submission.csv"
    sample.write_text("id,label\np1,0\np0,0\n")
    arguments = ["predict", str(patches), "--bundle", bundle, "--device", "cpu", "--out", str(out)]
    assert main([*arguments, "--submission", str(sample)]) == 0
    first, second = Predictor(tiny_bundle, device="cpu").predict(small_demo.store.load([0, 1]).pixels).probabilities
    assert out.read_text() == f"id,label\np1,{float(second)!r}\np0,{float(first)!r}\n"
    out.unlink()
    sample.write_text("id,label\np1,0\np7,0\n")
    assert main([*arguments, "--submission", str(sample)]) == 2
    assert "1 of the 2 ids of the sample submission have no prediction, such as p7" in capsys.readouterr().err
    assert not out.exists()


def test_explain_takes_patches_of_a_data_set_by_id(bundle: str, tmp_path: Path, fresh_home: Path, capsys) -> None:
    for number, name in enumerate(("normal", "tumour")):
        (tmp_path / "set" / name).mkdir(parents=True)
        Image.fromarray(np.full((96, 96, 3), 90 * number, np.uint8)).save(tmp_path / "set" / name / f"p{number}.png")
    out = tmp_path / "out"

    words = ["explain", "--data", str(tmp_path / "set"), "p1", "gone", "--out", str(out), "--bundle", bundle]
    assert main([*words, "--device", "cpu"]) == 1
    assert [path.name for path in out.iterdir()] == ["p1"]
    assert "gone: is no id of a patch of set" in capsys.readouterr().err
