"""A folder of slides by several processes: the bytes of one, and what failed by reason."""

from pathlib import Path

import pytest

from core.commands import main


@pytest.mark.slow
def test_slides(small_slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slides = tmp_path / "slides"
    slides.mkdir()
    for name in ("a.tif", "b.tif"):
        (slides / name).symlink_to(small_slide)
    for name in ("bad.tif", "worse.tif"):
        (slides / name).write_bytes(b"no slide")
    words = ["slide", str(slides), "--step", "96", "--bundle", "nodescope-net", "--device", "cpu", "--out"]

    assert main([*words, str(tmp_path / "one")]) == 1
    assert main([*words, str(tmp_path / "two"), "--workers", "2"]) == 1

    said = capsys.readouterr()
    assert said.out.count(".tif: tissue") == 4
    assert said.err.count("2 of 4 slides have problems:") == 2
    assert "(bad.tif, worse.tif)" in said.err
    for path in (tmp_path / "one").rglob("*"):
        if path.name in ("map.npz", "areas.geojson", "foci.csv", "thumbnail.jpg"):
            assert (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes() == path.read_bytes()
