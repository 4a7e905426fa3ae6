"""Pictures of patches, pixel by pixel."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.display import (
    CLASS_COLOURS,
    NORMAL,
    OUTLINE,
    TUMOUR,
    enlarge,
    mosaic,
    outlined,
    rgb,
    to_jpeg,
    to_png,
    with_centre_box,
)
from core.errors import ConfigError

PATCHES = np.random.default_rng(0).integers(30, 220, (7, 96, 96, 3), dtype=np.uint8)
PAPER = (250, 251, 252)


def _frame(picture: np.ndarray) -> np.ndarray:
    """Return the pixels of the outline, in rows."""
    outside = np.ones(picture.shape[:2], bool)
    outside[OUTLINE:-OUTLINE, OUTLINE:-OUTLINE] = False
    return picture[outside]


def test_colours_of_the_classes() -> None:
    assert (rgb(TUMOUR), rgb(NORMAL)) == ((215, 38, 61), (27, 158, 119))
    assert CLASS_COLOURS == (NORMAL, TUMOUR)


def test_a_mosaic_places_every_patch_in_its_row_and_column() -> None:
    picture = mosaic(PATCHES, [1, 0, None, 1, 0, 0, 1], columns=3, background=PAPER)

    side, pitch = 96 + 2 * 4, 96 + 2 * 4 + 6
    assert picture.shape == (3 * pitch - 6, 3 * pitch - 6, 3)
    for position, patch in enumerate(PATCHES):
        left, top = position % 3 * pitch + 4, position // 3 * pitch + 4
        assert np.array_equal(picture[top : top + 96, left : left + 96], patch)
    assert (picture[side : side + 6] == PAPER).all()  # between the rows
    assert (picture[2 * pitch :, pitch:] == PAPER).all()  # the empty places at the end


def test_an_empty_mosaic_is_a_row_of_background() -> None:
    picture = mosaic(PATCHES[:0], [], columns=2, background=PAPER)

    assert len(picture) == 96 + 2 * 4
    assert (picture == PAPER).all()


@pytest.mark.parametrize(("labels", "columns"), [([1], 0), ([1, 0], 3)])
def test_a_mosaic_that_cannot_be_is_refused(labels: list[int], columns: int) -> None:
    with pytest.raises(ConfigError, match=f"a label for each of 1 patches, got {columns} columns"):
        mosaic(PATCHES[:1], labels, columns=columns)


def test_tumour_is_solid_red() -> None:
    picture = outlined(PATCHES[0], 1, PAPER)

    assert (_frame(picture) == rgb(TUMOUR)).all()
    assert np.array_equal(picture[OUTLINE:-OUTLINE, OUTLINE:-OUTLINE], PATCHES[0])


def test_normal_is_dashed_green() -> None:
    picture = outlined(PATCHES[0], 0, PAPER)

    frame = _frame(picture)
    green, paper = (frame == rgb(NORMAL)).all(axis=1), (frame == PAPER).all(axis=1)
    assert (green | paper).all()
    assert 0.25 < paper.mean() < 0.45
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        changes = np.count_nonzero(np.diff((edge == PAPER).all(axis=1)))
        assert changes >= 8  # dashes, not one gap
    assert np.array_equal(picture[OUTLINE:-OUTLINE, OUTLINE:-OUTLINE], PATCHES[0])


def test_an_unlabelled_patch_has_no_outline() -> None:
    assert (_frame(outlined(PATCHES[0], None, PAPER)) == PAPER).all()


@pytest.mark.parametrize("zoom", [1, 2, 5])
def test_enlarging_repeats_every_pixel(zoom: int) -> None:
    large = enlarge(PATCHES[0], zoom)

    assert large.shape == (96 * zoom, 96 * zoom, 3)
    for row in range(zoom):
        for column in range(zoom):
            assert np.array_equal(large[row::zoom, column::zoom], PATCHES[0])


@pytest.mark.parametrize("zoom", [1, 3, 6])
def test_the_centre_box_covers_no_pixel_of_the_centre(zoom: int) -> None:
    large = enlarge(PATCHES[0], zoom)
    before = large.copy()

    boxed = with_centre_box(large, zoom=zoom, colour=(1, 2, 3))

    start, stop = 32 * zoom, 64 * zoom
    changed = (boxed != large).any(axis=2)
    assert not changed[start:stop, start:stop].any()
    width = {1: 1, 3: 2, 6: 3}[zoom]
    ring = np.zeros_like(changed)
    ring[start - width : stop + width, start - width : stop + width] = True
    ring[start:stop, start:stop] = False
    assert (boxed[ring] == (1, 2, 3)).all()  # it touches the centre on all four sides
    around = 2 * width
    assert (boxed[start - around, start:stop] == 20).all()  # the dark line beside it
    changed[start - around : stop + around, start - around : stop + around] = False
    assert not changed.any()
    assert np.array_equal(large, before)


@pytest.mark.parametrize("zoom", [2, 3, 4, 5])
def test_the_centre_box_is_seen_on_all_sides_when_the_picture_is_shown_at_half_its_size(zoom: int) -> None:
    boxed = with_centre_box(enlarge(np.full((96, 96, 3), 128, np.uint8), zoom), zoom=zoom)
    for offset in (0, 1):  # which of two pixels a browser leaves out is its own affair
        shown = boxed[offset::2, offset::2]
        middle = shown[len(shown) // 2, :, 0].tolist(), shown[:, len(shown) // 2, 0].tolist()
        for line in middle:
            half = len(line) // 2
            assert 255 in line[:half]
            assert 255 in line[half:]
            assert 20 in line[:half]
            assert 20 in line[half:]


def test_png_keeps_every_pixel_and_jpeg_nearly() -> None:
    smooth = np.asarray(Image.fromarray(PATCHES[0]).resize((8, 8)).resize((96, 96)))

    png, jpeg = (np.asarray(Image.open(io.BytesIO(data))) for data in (to_png(PATCHES[0]), to_jpeg(smooth)))

    assert np.array_equal(png, PATCHES[0])
    assert np.abs(jpeg.astype(int) - smooth).max() < 25
    assert np.abs(jpeg.astype(int) - smooth).mean() < 3


def _hue_of_a_class(colour: str) -> bool:
    red, green, blue = rgb(colour)
    return red > 1.6 * max(green, blue) or (green > 1.25 * red and green > 1.1 * blue)


def test_red_and_green_come_from_one_place() -> None:
    root = Path(__file__).resolve().parents[3]
    files = [root / "streamlit_app.py", *(root / "pages").rglob("*.py")]
    assert _hue_of_a_class(TUMOUR)
    assert _hue_of_a_class(NORMAL)

    found = {
        f"{path.relative_to(root)}: {colour}"
        for path in files
        if path.name != "palette.py"
        for colour in re.findall(r"#[0-9A-Fa-f]{6}\b", path.read_text("utf-8"))
        if _hue_of_a_class(colour)
    }

    assert found == set()
    theme = (root / ".streamlit" / "config.toml").read_text("utf-8")
    assert f'redColor = "{TUMOUR}"' in theme
    assert f'greenColor = "{NORMAL}"' in theme
