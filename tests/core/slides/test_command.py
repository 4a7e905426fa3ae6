"""``python -m core slide`` as a person calls it."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.bundle import load_bundle
from core.commands import main
from core.data import Dataset
from core.prediction import Predictor
from core.slides import infer
from core.slides.analyse import SlideJob

ROOT = Path(__file__).resolve().parents[3]
FILES = {"map.npz", "areas.geojson", "foci.csv", "summary.json", "thumbnail.jpg", "report.html", "work"}
NET = ["--bundle", "nodescope-net", "--device", "cpu"]


def test_it_writes_the_folder_of_a_slide(small_slide: Path, small_demo: Dataset, tmp_path: Path, capsys) -> None:
    assert main(["slide", str(small_slide), "--out", str(tmp_path), "--threshold", "0.5", *NET]) == 0

    folder = tmp_path / "small"
    assert {path.name for path in folder.iterdir()} == FILES
    assert not (folder / "work" / "blocks").exists()
    bundle = load_bundle("nodescope-net")
    expected = Predictor(bundle, device="cpu").predict(small_demo.store.load(np.arange(16)).pixels).probabilities
    with np.load(folder / "map.npz") as stored:
        probability = stored["probability"]
        assert stored["origin"].tolist() == pytest.approx([32, 32])
        assert float(stored["step"]) == pytest.approx(32)
        assert str(stored["bundle"]) == bundle.digest
    np.testing.assert_array_equal(probability[3:15:3, 6:18:3].ravel(), expected.astype(np.float16))
    assert np.isnan(probability[0]).all()
    told = json.loads((folder / "summary.json").read_text())
    assert told["slide"] == "small.tif"
    assert told["mpp"] == pytest.approx(0.97)
    assert told["threshold"] == 0.5
    assert told["tissue_mm2"] == pytest.approx(np.isfinite(probability).sum() * 0.03104**2, rel=1e-4)
    assert told["highest_probability"] == pytest.approx(np.nanmax(probability.astype(float)), abs=1e-6)
    features = json.loads((folder / "areas.geojson").read_text())["features"]
    foci = list(csv.DictReader((folder / "foci.csv").read_text().splitlines()))
    assert len(features) == len(foci) == told["foci"]
    assert sum(float(each["area_mm2"]) for each in foci) == pytest.approx(told["tumour_mm2"], abs=1e-5)
    for feature, focus in zip(features, foci, strict=True):
        assert feature["properties"]["measurements"]["Highest probability"] == pytest.approx(
            float(focus["probability"]), abs=1e-4
        )
    report = (folder / "report.html").read_text()
    assert "Not a medical device" in report
    assert "http://" not in report
    assert "https://" not in report
    assert "small.tif: tissue" in capsys.readouterr().out


def test_another_threshold_uses_the_map_that_is_there(small_slide: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    words = ["slide", str(small_slide), "--out", str(tmp_path), "--step", "96", "--json", *NET]
    assert main(words) == 0
    before = (tmp_path / "small" / "map.npz").read_bytes()
    tumour = json.loads(capsys.readouterr().out)["slides"][0]["tumour_mm2"]
    monkeypatch.setattr(infer, "predict_block", lambda *_, **__: pytest.fail("predicted again"))

    assert main([*words, "--threshold", "0.001"]) == 0
    told = json.loads(capsys.readouterr().out)["slides"][0]
    assert told["threshold"] == 0.001
    assert told["tumour_mm2"] > tumour
    assert (tmp_path / "small" / "map.npz").read_bytes() == before


def test_a_request_to_stop_ends_it_and_the_same_command_goes_on(
    small_slide: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    words = ["slide", str(small_slide), "--out", str(tmp_path), *NET]
    folder = tmp_path / "small"
    before = infer.predict_block

    def then_stop(*given: object, **more: object) -> object:
        SlideJob.of(folder).request_stop()
        return before(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(infer, "predict_block", then_stop)
        assert main(words) == 1
    assert "small.tif: stopped; the same command goes on." in capsys.readouterr().err
    assert SlideJob.of(folder).status().state == "cancelled"
    assert len(list((folder / "work" / "blocks").iterdir())) == 1
    assert not (folder / "map.npz").exists()
    assert main(words) == 0
    assert SlideJob.of(folder).status().state == "finished"


def test_a_slide_without_tissue_is_said(write_slide, tmp_path: Path, capsys) -> None:
    path = write_slide(tmp_path / "empty.tif", np.full((500, 500, 3), 244, np.uint8))

    assert main(["slide", str(path), "--out", str(tmp_path / "out"), *NET]) == 1

    assert "empty.tif: No tissue was found on this slide" in capsys.readouterr().out
    told = json.loads((tmp_path / "out" / "empty" / "summary.json").read_text())
    assert (told["tissue_mm2"], told["tumour_share"], told["highest_probability"]) == (0, None, None)
    assert told["notes"][0].startswith("No tissue was found")


def test_what_cannot_be_done_is_said_and_the_rest_goes_on(
    small_slide: Path,
    tissue_pixels: np.ndarray,
    write_slide,
    tmp_path: Path,
    capsys,
) -> None:
    silent = write_slide(tmp_path / "silent.tif", tissue_pixels, mpp=None)
    out = ["--out", str(tmp_path / "out"), "--step", "96", *NET]

    assert main(["slide", str(silent), str(tmp_path / "none.svs"), str(small_slide), *out]) == 1

    said = capsys.readouterr()
    assert "silent.tif does not say how many µm a pixel is wide. Give it with --mpp" in said.err
    assert "none.svs cannot be read: No such file or directory" in said.err
    assert "small.tif: tissue" in said.out
    (tmp_path / "mpp.csv").write_text("slide,mpp\nsilent.tif,0.97\n")
    assert main(["slide", str(silent), "--mpp", str(tmp_path / "mpp.csv"), *out]) == 0
    with (
        np.load(tmp_path / "out" / "silent" / "map.npz") as one,
        np.load(tmp_path / "out" / "small" / "map.npz") as two,
    ):
        np.testing.assert_array_equal(one["probability"], two["probability"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--threshold", "2"], "--threshold must be 0 to 1, got 2."),
        (["--mpp", "fine"], "--mpp must be µm per pixel, such as 0.25, or a CSV"),
        (["--mpp", "none.csv"], "none.csv cannot be read"),
        (["--step", "16"], "'16' is not one of '32', '96', '8'"),
    ],
)
def test_options_that_cannot_be_are_said(
    words: list[str], said: str, small_slide: Path, tmp_path: Path, capsys
) -> None:
    assert main(["slide", str(small_slide), "--out", str(tmp_path / "out"), *words, *NET]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_without_slides_is_said(tmp_path: Path, capsys) -> None:
    assert main(["slide", str(tmp_path), "--out", str(tmp_path / "out"), *NET]) == 2
    assert f"There is no slide in {tmp_path}." in capsys.readouterr().err


def test_a_slide_named_twice_is_done_once(small_slide: Path, tmp_path: Path) -> None:
    words = ["slide", str(small_slide), str(small_slide.parent), "--out", str(tmp_path / "out"), "--step", "96", *NET]
    assert main(words) == 0


def test_results_that_can_lie_nowhere_are_a_sentence(small_slide: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")

    assert main(["slide", str(small_slide), "--out", str(tmp_path / "file"), "--step", "96", *NET]) == 1
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert "cannot be written: Not a directory" in said


def test_slides_of_one_name_get_no_common_folder(small_slide: Path, tmp_path: Path, capsys) -> None:
    other, third = tmp_path / "small.svs", tmp_path / "third.tif"
    for each in (other, third):
        shutil.copy(small_slide, each)
    out = tmp_path / "out"

    assert main(["slide", *map(str, (small_slide, other, third)), "--out", str(out), "--step", "96", *NET]) == 1
    said = capsys.readouterr()
    assert said.err.count("2 slides are called small and would share a folder of results") == 3
    assert "(small.tif, small.svs)" in said.err
    assert sorted(each.name for each in out.iterdir() if each.is_dir()) == ["third"]
    assert main(["slide", str(small_slide), "--out", str(out), "--step", "96", *NET]) == 0
    assert main(["slide", str(other), "--out", str(out), "--step", "96", *NET]) == 1
    assert "holds the results of small.tif" in capsys.readouterr().err


KILLED = """
import os, signal, sys
name, left, replace = sys.argv[1], int(sys.argv[2]), os.replace

def killing(source, target):
    global left
    left -= str(target).endswith(name)
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)  # what is written lies beside its place
    replace(source, target)

os.replace = killing
from core.commands import main
sys.exit(main(sys.argv[3:]))
"""
"""Runs a command and kills it when it is about to put a file of that name into its place for the time after `left`."""

MOMENTS = (
    (".npz", 0), (".npz", 1), (".npz", 3), ("map.npz", 0), ("areas.geojson", 0), ("foci.csv", 0), ("thumbnail.jpg", 0),
    ("summary.json", 0), ("report.html", 0), ("slides.csv", 0),
)  # fmt: skip
"""Three among the blocks, and each of the files at the end."""


@pytest.mark.slow
def test_a_slide_killed_at_ten_moments_ends_with_the_same_bytes(
    tissue_pixels: np.ndarray, write_slide, tmp_path: Path
) -> None:
    path = write_slide(tmp_path / "large.tif", np.tile(tissue_pixels[96:480, 192:576], (9, 13, 1)))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}

    def run(folder: Path, *moment: object) -> int:
        start = ["-c", KILLED, *map(str, moment)] if moment else ["-m", "core"]
        command = [sys.executable, *start, "slide", str(path), "--step", "96", *NET, "--out", str(folder)]
        return subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, env=environment, timeout=300).returncode

    whole, killed = tmp_path / "whole" / "large", tmp_path / "killed" / "large"
    assert run(whole.parent) == 0
    for moment in MOMENTS:
        assert run(killed.parent, *moment) == -signal.SIGKILL
        assert (killed / "map.npz").exists() == (moment not in MOMENTS[:4])
    assert run(killed.parent) == 0

    for name in ("map.npz", "areas.geojson", "foci.csv", "thumbnail.jpg"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    one, two = (json.loads((each / "summary.json").read_text()) for each in (killed, whole))
    assert {**one, "seconds": 0} == {**two, "seconds": 0}
