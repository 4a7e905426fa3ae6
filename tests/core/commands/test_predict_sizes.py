"""``python -m core predict`` on pictures of other sizes, and with remarks."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.bundle import Bundle
from core.commands import main
from core.commands.predict import sizing_of
from core.errors import ConfigError
from core.images.tiling import Sizing


@pytest.fixture
def words(tiny_bundle: Bundle, tmp_path: Path) -> list[str]:
    tiny_bundle.save(tmp_path / "b.safetensors")
    pixels = np.random.default_rng(0).integers(0, 256, (400, 600, 3)).astype(np.uint8)
    told = {"resolution_unit": 3, "x_resolution": 10_000 / 0.485, "y_resolution": 10_000 / 0.485}
    Image.fromarray(pixels).save(tmp_path / "fine.tif", **told)
    (tmp_path / "bad.png").write_bytes(b"")
    bundle = ["--bundle", str(tmp_path / "b.safetensors"), "--device", "cpu"]
    return ["predict", str(tmp_path / "fine.tif"), str(tmp_path / "bad.png"), *bundle]


def test_tiles_at_the_scale_of_the_file_with_remarks(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--size", "tiles", "--mpp", "file", "--remarks"]) == 1
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["id"], row["x"], row["y"]) for row in rows[:2]] == [
        ("fine_x6_y4", "6", "4"),
        ("fine_x102_y4", "102", "4"),
    ]
    assert len(rows) == 3 * 2 + 1
    assert "600×400 became 300×200" in rows[0]["remarks"]
    assert rows[-1]["name"] == "bad.png"
    assert rows[-1]["refused"].startswith("The file is empty")
    assert err.count("changed: fine.tif: Rescaled") == 1


def test_without_remarks_it_is_id_and_probability(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--size", "rescale"]) == 1
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == ["id", "fine"]


def test_what_size_and_mpp_mean() -> None:
    assert sizing_of("crop", None) == Sizing()
    assert sizing_of("tiles", None) == Sizing("tiles")
    assert sizing_of("rescale", None) == Sizing(mpp="file")
    assert sizing_of("tiles", "0.25") == Sizing("tiles", 0.25)
    for size, mpp, said in (
        ("crop", "0.5", "does not"),
        ("tiles", "fine", "must be µm"),
        ("rescale", "9", "out of range"),
    ):
        with pytest.raises(ConfigError, match=said):
            sizing_of(size, mpp)


def test_tiles_make_no_submission(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--size", "tiles", "--submission", "sample.csv"]) == 2
    assert "one line a patch" in capsys.readouterr().err
