"""Pictures that are no patch: µm per pixel from the file, rescaling without aliasing, tiles on a grid."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from core.bundle import Bundle
from core.display import MICROMETRES_PER_PIXEL as MPP
from core.errors import ConfigError, PatchError
from core.images.discover import PatchFile
from core.images.mpp import mpp_of, read_mpp
from core.images.tiling import Sizing, crop, patches_of, places, prepare, rescale
from core.prediction import Predictor
from core.prediction.batch import score_files, score_pieces


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def tiff(pixels: np.ndarray, **tags: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "TIFF", **tags)
    return buffer.getvalue()


def described(text: str, **tags: Any) -> bytes:
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[270] = text
    return tiff(noise(96, 96), tiffinfo=info, **tags)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"resolution_unit": 3, "x_resolution": 20_000.0, "y_resolution": 20_000.0}, 0.5),
        ({"resolution_unit": 2, "x_resolution": 101_600.0, "y_resolution": 101_600.0}, 0.25),
        ({"resolution_unit": 2, "x_resolution": 72.0, "y_resolution": 72.0}, None),  # 353 µm: a program's habit
        ({"resolution_unit": 1, "x_resolution": 1.0, "y_resolution": 1.0}, None),
        ({"resolution_unit": 3, "x_resolution": 20_000.0, "y_resolution": 10_000.0}, None),
        ({}, None),
    ],
)
def test_resolution_tags_give_micrometres_per_pixel(tags: dict[str, Any], expected: float | None) -> None:
    found = mpp_of(tiff(noise(96, 96), **tags))
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-6))


def test_imagej_and_aperio_tell_it_in_the_description() -> None:
    imagej = described("ImageJ=1.54f\nunit=micron\n", resolution_unit=1, x_resolution=4.0, y_resolution=4.0)
    assert mpp_of(imagej) == pytest.approx(0.25)
    assert mpp_of(described("Aperio Image Library|AppMag = 40|MPP = 0.2520|Left = 1")) == pytest.approx(0.252)
    assert mpp_of(described("Aperio|MPP = 0.2.5")) is None


def test_a_png_tells_its_resolution_and_what_is_damaged_nothing() -> None:
    buffer = io.BytesIO()
    Image.fromarray(noise(96, 96)).save(buffer, "PNG", dpi=(101_600, 101_600))
    assert mpp_of(buffer.getvalue()) == pytest.approx(0.25, rel=1e-3)
    assert mpp_of(tiff(noise(96, 96))[:20]) is None


def test_a_linear_ramp_stays_one_at_its_own_scale() -> None:
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 150, axis=0).repeat(3, axis=2)
    small = rescale(ramp, MPP / 2)
    assert small.shape == (75, 100, 3)
    # Pixel i covers 2i and 2i + 1, whose mean is 2i + 0.5; the edges, where the filter is cut off, are left out.
    np.testing.assert_allclose(small[40, 5:95, 0], 2 * np.arange(5, 95) + 0.5, atol=0.6)


def test_fine_stripes_become_grey_and_not_coarse_stripes() -> None:
    stripes = np.where(np.arange(300)[None, :, None] % 2, 255, 0).astype(np.uint8).repeat(200, axis=0).repeat(3, axis=2)
    small = rescale(stripes, MPP * 0.37)[10:-10, 10:-10]
    assert abs(float(small.mean()) - 127.5) < 2
    # Of 2.7 pixels 1 to 1.7 are bright: 0.37 to 0.63 of 255. Taking every third pixel would leave 0 and 255.
    assert 0.37 * 255 - 1 <= small.min() <= small.max() <= 0.63 * 255 + 1


def test_the_scale_is_exact_where_the_sides_do_not_divide() -> None:
    assert rescale(noise(101, 299), 0.5).shape == (52, 154, 3)  # 52.06 and 154.1, cut off
    assert rescale(noise(200, 200), MPP).shape == (200, 200, 3)
    assert (rescale(noise(200, 200), MPP) == noise(200, 200)).all()


def test_a_rescaled_picture_is_cut_in_its_centre_and_says_so() -> None:
    data = tiff(noise(300, 400), resolution_unit=3, x_resolution=20_000.0, y_resolution=20_000.0)
    (tile,) = patches_of(data, name="a.tif", sizing=Sizing(mpp="file"))
    expected = rescale(noise(300, 400), 0.5)
    assert expected.shape == (154, 206, 3)
    assert (tile.decoded.pixels == expected[29:125, 55:151]).all()
    assert tile.decoded.notes == (
        "Rescaled from 0.5 to 0.97 µm per pixel: 400×300 became 206×154 pixels.",
        "Cropped the centre 96×96 of 206×154 pixels.",
    )


def test_what_cannot_be_rescaled_is_refused_in_a_sentence() -> None:
    with pytest.raises(PatchError, match=r"a\.tif: The file does not say"):
        prepare(tiff(noise(96, 96)), name="a.tif", mpp="file")
    with pytest.raises(PatchError, match=r"Got 49×49 pixels at 0\.97 µm per pixel, but a patch needs 96×96"):
        prepare(tiff(noise(96, 96)), mpp=0.5)
    coarse = tiff(noise(96, 96), resolution_unit=3, x_resolution=7_500.0, y_resolution=7_500.0)
    with pytest.raises(PatchError, match=r"It says 1\.33 µm per pixel and would be enlarged 1\.4 times; at most 1\.3"):
        prepare(coarse, mpp="file")
    assert prepare(coarse, mpp=1.33).size == (131, 131)  # whoever gives the scale asks for it
    for mpp in (0.01, 2.0):
        with pytest.raises(ConfigError, match="out of range"):
            Sizing(mpp=mpp)


def test_a_slightly_coarse_picture_is_enlarged_and_says_so() -> None:
    whole = prepare(tiff(noise(90, 90)), mpp=1.2)
    assert whole.size == (111, 111)
    assert "enlarged" in whole.notes[0]


def test_tiles_stand_side_by_side_in_the_middle() -> None:
    assert places((96, 96)) == [(0, 0)]
    assert places((191, 96)) == [(47, 0)]
    assert places((200, 300)) == [(4, 6), (100, 6), (4, 102), (100, 102), (4, 198), (100, 198)]
    pixels = noise(300, 200)
    found = patches_of(tiff(pixels), name="a", sizing=Sizing(cut="tiles"))
    assert [tile.at for tile in found] == places((200, 300))
    for tile in found:
        x, y = tile.at or (0, 0)
        assert (tile.decoded.pixels == pixels[y : y + 96, x : x + 96]).all()


def test_too_many_tiles_are_refused_with_their_number() -> None:
    assert len(places((32 * 96, 32 * 96 + 95))) == 1024
    with pytest.raises(PatchError, match="1,056 tiles"):
        places((33 * 96, 32 * 96))


def test_a_place_outside_is_refused() -> None:
    with pytest.raises(PatchError, match="does not lie within 200×200"):
        crop(prepare(tiff(noise(200, 200))), at=(105, 0))


@pytest.fixture
def files() -> list[PatchFile]:
    contents = {"a": tiff(noise(200, 300)), "b": b"", "c": tiff(noise(96, 96)), "d": tiff(noise(100, 100))}
    return [PatchFile(name, f"{name}.tif", lambda data=data: data) for name, data in contents.items()]


def test_a_batch_of_tiles_has_a_row_for_each_and_refusals_beside(files: list[PatchFile], tiny_bundle: Bundle) -> None:
    predictor = Predictor(tiny_bundle, device="cpu")
    batch = score_files(predictor, files, sizing=Sizing(cut="tiles"))
    assert [file.id for file in batch.files] == [
        *("a_x6_y4", "a_x102_y4", "a_x198_y4", "a_x6_y100", "a_x102_y100", "a_x198_y100"), "c", "d_x2_y2",
    ]  # fmt: skip
    assert {file.file_name for file in batch.files} == {"a.tif", "c.tif", "d.tif"}
    assert batch.files[0].notes == ("One of 6 tiles of 300×200 pixels.",)
    assert [file.source for file in batch.files] == [*"aaaaaa", "c", "d"]
    assert [problem.name for problem in batch.problems] == ["b.tif"]
    expected = predictor.predict(noise(200, 300)[None, 100:196, 102:198]).probabilities[0]
    assert batch.files[4].probability == expected


def test_pieces_are_the_whole_and_say_how_far_they_came(files: list[PatchFile], tiny_bundle: Bundle) -> None:
    predictor = Predictor(tiny_bundle, device="cpu")
    pieces = list(score_pieces(predictor, files, chunk=2))
    assert [piece.done for piece in pieces] == [2, 2]
    first = next(score_pieces(predictor, files[:2], chunk=2))
    rest = score_files(predictor, files[first.done :])
    assert first.plus(rest) == score_files(predictor, files)


def _saying(description: str = "", **tags: object) -> bytes:
    buffer = io.BytesIO()
    info = {270: description, 296: 2, **{int(name[1:]): value for name, value in tags.items()}}
    Image.fromarray(noise(96, 96)).save(buffer, "TIFF", tiffinfo=info)
    return buffer.getvalue()


OME = '<OME><Pixels PhysicalSizeX="{}" PhysicalSizeY="{}" {}/></OME>'


@pytest.mark.parametrize(
    ("data", "mpp", "said"),
    [
        (_saying(OME.format(0.5, 0.5, "")), 0.5, ""),
        (_saying(OME.format(500, 500, 'PhysicalSizeXUnit="nm" PhysicalSizeYUnit="nm"')), 0.5, ""),
        (_saying(OME.format(0.5, 0.25, "")), None, "0.5 µm per pixel across and 0.25 down"),
        (_saying(OME.format(0.025, 0.025, "")), None, "says 0.025 µm per pixel, which no scan"),
        (_saying(OME.format("wide", "nan", "")), None, "does not say"),
        (_saying("ImageJ=1.5\nunit=nm\n", _282=0.002, _283=0.002), 0.5, ""),
        (_saying("ImageJ=1.5\nunit=\\u00B5m\n", _282=2.0, _283=2.0), 0.5, ""),
        (_saying("ImageJ=1.5\nunit=mm\n", _282=2_000.0, _283=2_000.0), 0.5, ""),
        (_saying("ImageJ=1.5\nunit=pixel\n", _282=1.0, _283=1.0), None, "does not say"),
        (_saying("Aperio|MPP = 0.0001|"), None, "says 0.0001 µm"),
        (_saying(_282=72.0, _283=72.0), None, "says 353 µm per pixel (72 dots per inch)"),
        (_saying(_282=50_800.0, _283=101_600.0), None, "0.5 µm per pixel across and 0.25 down"),
        (_saying(), None, "does not say"),
    ],
)
def test_the_scale_is_read_or_what_the_file_says_is_told(data: bytes, mpp: float | None, said: str) -> None:
    found, sentence = read_mpp(data)
    assert found == (None if mpp is None else pytest.approx(mpp))
    assert said in sentence
    assert bool(sentence) == (mpp is None)
