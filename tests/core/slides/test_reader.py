"""Regions at any scale lie exactly where they should, and µm per pixel are known or refused."""

import struct
import sys
from pathlib import Path

import numpy as np
import openslide
import pytest
from PIL import Image

from core.errors import ConfigError, DataError
from core.slides import sources
from core.slides.reader import Slide, given_mpp

SHARED = Path(__file__).resolve().parents[4] / "shared" / "slides"
real_slides = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the slides in shared/")


class Levels:
    """A source whose pixels are computed: red and green are the level-0 place in units of 64 pixels."""

    vendor, bounds, background = "test", (0, 0, 0, 0), (9, 8, 7)

    def __init__(self, *sizes: tuple[int, int], mpp: tuple[float, float] | None = (0.25, 0.25)):
        self.sizes, self.mpp, self.read = sizes, mpp, []

    def pixels(self, level: int, x: int, y: int, width: int, height: int, /) -> np.ndarray:
        self.read.append((level, x, y, width, height))
        factor = round(self.sizes[0][0] / self.sizes[level][0])
        made = np.zeros((height, width, 3), np.uint8)
        made[..., 0] = ((np.arange(x, x + width) + 0.5) * factor // 64 % 256)[None]
        made[..., 1] = ((np.arange(y, y + height) + 0.5) * factor // 64 % 256)[:, None]
        return made

    def close(self) -> None:
        pass


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def area_means(pixels: np.ndarray, x: int, y: int, width: int, height: int, scale: float) -> np.ndarray:
    """The definition, pixel by pixel: the mean over the square that each covers, by area."""
    found = np.empty((height, width, 3))
    for v in range(height):
        for u in range(width):
            left, right, top, bottom = (x + u) * scale, (x + u + 1) * scale, (y + v) * scale, (y + v + 1) * scale
            columns, rows = np.arange(int(left), int(np.ceil(right))), np.arange(int(top), int(np.ceil(bottom)))
            across = np.minimum(columns + 1, right) - np.maximum(columns, left)
            down = np.minimum(rows + 1, bottom) - np.maximum(rows, top)
            weights = down[:, None] * across / (scale * scale)
            found[v, u] = (pixels[rows[:, None], columns] * weights[..., None]).sum(axis=(0, 1))
    return found


@pytest.mark.parametrize("scale", [1.94, 2.5, 3.88, 8.0])
def test_a_pixel_is_the_mean_over_the_area_it_covers(scale: float, tmp_path: Path, write_slide) -> None:
    pixels = noise(300, 340)
    with Slide(write_slide(tmp_path / "a.tif", pixels)) as slide:
        read = slide.read(7, 5, 20, 16, scale=scale)

    np.testing.assert_allclose(read, area_means(pixels, 7, 5, 20, 16, scale), atol=0.501)


@pytest.mark.parametrize("scale", [1.0, 1.01, 1.94, 4.1])
def test_a_pixel_has_the_same_bits_in_every_region(scale: float, tmp_path: Path, write_slide) -> None:
    with Slide(write_slide(tmp_path / "a.tif", noise(700, 900), levels=2)) as slide:
        large = slide.read(0, 0, 150, 120, scale=scale)
        for x, y in ((0, 0), (13, 40), (54, 24)):
            np.testing.assert_array_equal(slide.read(x, y, 96, 80, scale=scale), large[y : y + 80, x : x + 96])


@pytest.mark.parametrize("scale", [0.97 / 0.243, 0.97 / 0.2527, 0.97 / 0.499])
def test_places_do_not_drift_over_a_large_slide_with_odd_sides(scale: float) -> None:
    width, height = 100_001, 60_003
    source = Levels((width, height), (width // 2, height // 2), (width // 4, height // 4))
    slide = Slide(Path("large.svs"), source)
    columns, rows = int(width / scale), int(height / scale)

    for x, y in ((0, 0), (columns // 2, rows // 3), (columns - 40, rows - 40)):
        read = slide.read(x, y, 40, 40, scale=scale)
        for axis, start in ((0, x), (1, y)):
            line = read[0, :, 0] if axis == 0 else read[:, 0, 1]
            expected = (start + np.arange(40) + 0.5) * scale / 64
            # A pixel that lies within one colour has it; half a pixel of the level is the tolerance.
            clear = np.abs(expected - np.rint(expected)) * 64 > scale
            np.testing.assert_array_equal(line[clear], (expected[clear].astype(int) % 256))
    assert {level for level, *_ in source.read} == {slide.level_for(scale)}
    assert [level.downsample for level in slide.levels] == [(1.0, 1.0), (2.0, 2.0), (4.0, 4.0)]


@pytest.mark.parametrize(
    ("scale", "level"), [(0.7, 0), (1.0, 0), (1.9, 0), (1.97, 1), (3.88, 1), (3.99, 2), (4.0, 2), (40.0, 2)]
)
def test_the_coarsest_level_with_the_detail_is_read(scale: float, level: int) -> None:
    assert Slide(Path("a.svs"), Levels((4000, 4000), (2000, 2000), (1000, 1000))).level_for(scale) == level


def test_what_lies_outside_has_the_background(tmp_path: Path) -> None:
    slide = Slide(Path("a.svs"), Levels((100, 80)))

    read = slide.read(-10, -5, 130, 100)

    assert (read[:5] == (9, 8, 7)).all()
    assert (read[:, :10] == (9, 8, 7)).all()
    assert (read[85:] == (9, 8, 7)).all()
    assert (read[5:85, 10:110, 2] == 0).all()
    assert (slide.read(1000, 1000, 3, 3) == (9, 8, 7)).all()


def test_large_reductions_hold_little_at_a_time() -> None:
    source = Levels((40_000, 40_000))
    Slide(Path("a.svs"), source).read(0, 0, 500, 100, scale=80.0)

    assert max(width * height for *_, width, height in source.read) <= 256 * 256


@pytest.mark.parametrize(
    ("mpp", "said"),
    [
        (None, "does not say how many µm a pixel is wide. Give it with --mpp"),
        ((0.25, 0.3), "says 0.25 µm per pixel across and 0.3 down, which must be equal. Give it with --mpp"),
        ((0.001, 0.001), "says 0.001 µm per pixel, which no scan of tissue has. Give it with --mpp"),
        ((352.8, 352.8), "says 352.8 µm per pixel, but at most 1.5 can be used"),
    ],
)
def test_mpp_that_is_not_known_is_refused_with_what_to_do(mpp, said: str) -> None:
    slide = Slide(Path("a.svs"), Levels((100, 100), mpp=mpp))

    with pytest.raises(DataError, match=said):
        slide.mpp()
    assert slide.mpp(0.5) == 0.5
    with pytest.raises(ConfigError, match="7 µm per pixel is out of range; give"):
        slide.mpp(7)


def test_mpp_is_read_from_tiff_and_from_ome(tmp_path: Path, write_slide) -> None:
    pixels = noise(200, 260)
    for name, ome in (("a.tif", False), ("a.ome.tif", True)):
        with Slide(write_slide(tmp_path / name, pixels, mpp=0.25, levels=2, ome=ome)) as slide:
            assert slide.mpp() == pytest.approx(0.25, rel=1e-6)
            assert [level.size for level in slide.levels] == [(260, 200), (130, 100)]
            np.testing.assert_array_equal(slide.read(3, 5, 150, 100), pixels[5:105, 3:153])


def test_a_given_mpp_may_be_for_one_slide() -> None:
    assert given_mpp("a.svs", 0.25) == 0.25
    assert given_mpp("a.svs", {"a.svs": 0.5}) == 0.5
    assert given_mpp("a.svs", {"a": 0.5, "b": 1.0}) == 0.5
    assert given_mpp("c.svs", {"a": 0.5}) is None


def test_pictures_are_slides_of_one_level(tmp_path: Path) -> None:
    pixels = noise(120, 130)
    Image.fromarray(pixels).save(tmp_path / "a.png")

    with Slide(tmp_path / "a.png") as slide:
        assert slide.size == (130, 120)
        np.testing.assert_array_equal(slide.read(0, 0, 130, 120), pixels)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bits_are_refused_as_in_pictures(tmp_path: Path, big: bool, order: str) -> None:
    tifffile = pytest.importorskip("tifffile")
    told = {"tile": (64, 64), "photometric": "rgb", "bigtiff": big, "byteorder": order, "metadata": None}
    for bits in (8, 16):
        tifffile.imwrite(tmp_path / f"{bits}.tif", np.full((200, 200, 3), 90, f"u{bits // 8}"), **told)

    with Slide(tmp_path / "8.tif") as slide:
        assert slide.size == (200, 200)
    with pytest.raises(DataError, match=r"16.tif has 16 bits per channel"):
        Slide(tmp_path / "16.tif")


@pytest.mark.parametrize(
    "start",
    [
        b"II*\0" + struct.pack("<IH", 8, 3) + struct.pack("<HHII", 258, 4, 1, 34710) * 3,  # not a SHORT
        b"II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHII", 258, 3, 1, 34710),  # what no file has
        b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 2**58) + bytes(4000),  # more entries than memory
        b"MM\0*" + bytes(4),
        b"II*\0",
    ],
)
def test_bits_that_are_not_understood_are_left_to_what_reads_the_file(start: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(start)

    assert sources._bits(tmp_path / "a.tif") == 8


def test_an_ome_tiff_without_tifffile_says_what_is_missing(tmp_path: Path, write_slide, monkeypatch) -> None:
    path = write_slide(tmp_path / "a.ome.tif", noise(100, 100), ome=True)
    monkeypatch.setitem(sys.modules, "tifffile", None)

    with pytest.raises(DataError, match="is an OME-TIFF, which needs one more package: pip install tifffile"):
        Slide(path)


def test_colours_in_planes_of_an_ome_tiff_are_put_together(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    pixels = noise(100, 140)
    for name, told in (
        ("planes", {"planarconfig": "separate", "photometric": "rgb"}),
        ("pages", {"photometric": "minisblack"}),
    ):
        axes = "SYX" if name == "planes" else "CYX"
        path = tmp_path / f"{name}.ome.tif"
        tifffile.imwrite(path, pixels.transpose(2, 0, 1), tile=(64, 64), metadata={"axes": axes}, ome=True, **told)
        with Slide(path) as slide:
            np.testing.assert_array_equal(slide.read(0, 0, 140, 100), pixels)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is of an unknown kind, and no slide that is read"),
        (b"%PDF-1.4 nothing", "is a PDF, and no slide that is read"),
        (b"II*\0\x08\0\0\0", "it is damaged"),
        (b"\x89PNG\r\n\x1a\n", "is damaged"),
    ],
)
def test_what_is_no_slide_is_said_in_one_sentence(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.svs"
    path.write_bytes(content)

    with pytest.raises(DataError, match=said) as caught:
        Slide(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_a_slide_that_is_cut_off_is_named_when_it_is_read(name: str, tmp_path: Path, write_slide) -> None:
    path = write_slide(tmp_path / name, noise(600, 600), levels=2, ome="ome" in name)
    data = path.read_bytes()
    broken = bytearray(data)
    broken[2000 : len(data) - 4000] = b"\x55" * (len(data) - 6000)
    path.write_bytes(broken)

    with pytest.raises(DataError, match="damaged or cut off"), Slide(path) as slide:
        slide.read(0, 0, 600, 600)


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_a_tile_that_would_take_all_memory_is_refused(name: str, tmp_path: Path, write_slide) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = write_slide(tmp_path / name, noise(300, 300), ome="ome" in name)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        for code in (322, 323):  # width and height of a tile
            at = file.pages[0].tags[code].valueoffset
            data[at : at + 2] = b"\xf0\xff"
    path.write_bytes(data)

    with pytest.raises(DataError, match="a tile of 65,520×65,520 pixels"), Slide(path) as slide:
        slide.read(0, 0, 10, 10)


def test_a_folder_and_a_missing_file_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder"):
        Slide(tmp_path)
    with pytest.raises(DataError, match=r"none.svs cannot be read: No such file"):
        Slide(tmp_path / "none.svs")


@real_slides
def test_label_and_macro_pictures_of_a_real_slide_are_never_read(monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("an associated picture was read")

    monkeypatch.setattr(openslide.lowlevel, "read_associated_image", refuse)

    with Slide(SHARED / "CMU-1-Small-Region.svs") as slide:
        assert slide.mpp() == 0.499
        assert slide.size == (2220, 2967)
        assert slide.vendor == "aperio"
        pixels = slide.read(600, 700, 40, 30)
    with openslide.OpenSlide(SHARED / "CMU-1-Small-Region.svs") as direct:
        np.testing.assert_array_equal(pixels, np.asarray(direct.read_region((600, 700), 0, (40, 30)))[..., :3])
