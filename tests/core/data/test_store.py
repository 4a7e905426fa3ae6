"""Stores: the right pixels in the right order, and what cannot be read is said."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import ArrayStore, FileStore, JoinedStore, read
from core.data.store import PackedStore, batches
from core.errors import DataError, PatchError

RANDOM = np.random.default_rng(0)
PATCHES = RANDOM.integers(0, 256, (5, 96, 96, 3), dtype=np.uint8)


def _save(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(path: Path, *, side: int, bits: int, rows: bytes) -> Path:
    """A PNG in RGB with samples of 8 or 16 bits, which Pillow does not write (PNG specification, third edition)."""
    header = struct.pack(">IIBBBBB", side, side, bits, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    return path


def _deep_tiff(path: Path) -> Path:
    """A TIFF in RGB with 16 bits a sample (TIFF 6.0)."""
    strip = np.full((96, 96, 3), 0x1234, "<u2").tobytes()
    entries = [(256, 3, 1, 96), (257, 3, 1, 96), (258, 3, 3, 134), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 140),
               (277, 3, 1, 3), (278, 3, 1, 96), (279, 4, 1, len(strip)), (284, 3, 1, 1)]  # fmt: skip
    ifd = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + ifd + struct.pack("<3H", 16, 16, 16) + strip)
    return path


def test_an_array_gives_rows_in_any_order() -> None:
    assert np.array_equal(read(ArrayStore(PATCHES), [3, 0, 3]), PATCHES[[3, 0, 3]])
    assert len(ArrayStore(PATCHES)) == 5


@pytest.mark.parametrize("array", [PATCHES.astype(np.float32), PATCHES[:, :95], PATCHES[..., :1], PATCHES[0]])
def test_an_array_of_another_kind_is_refused(array: np.ndarray) -> None:
    with pytest.raises(DataError, match="Packed patches must be uint8 N×96×96×3, got"):
        ArrayStore(array)


def test_joined_stores_follow_each_other() -> None:
    store = JoinedStore([ArrayStore(PATCHES[:2]), ArrayStore(PATCHES[:0]), ArrayStore(PATCHES[2:])])

    assert len(store) == 5
    assert np.array_equal(read(store, [4, 1, 2, 0, 4]), PATCHES[[4, 1, 2, 0, 4]])
    assert read(store, []).shape == (0, 96, 96, 3)


@pytest.mark.parametrize("row", [5, -1])
def test_joined_stores_have_no_rows_beyond_their_ends(row: int) -> None:
    with pytest.raises(IndexError, match="rows must be 0 to 4"):
        JoinedStore([ArrayStore(PATCHES[:2]), ArrayStore(PATCHES[2:])]).load([0, row])


def test_joined_stores_report_unreadable_patches_at_their_place_in_the_batch(tmp_path: Path) -> None:
    good = _save(tmp_path / "good.tif", PATCHES[0])
    store = JoinedStore([ArrayStore(PATCHES), FileStore([good, tmp_path / "gone.tif"])])

    loaded = store.load([6, 2, 5, 6])

    assert loaded.unreadable == {0: "gone.tif is not there any more.", 3: "gone.tif is not there any more."}
    assert np.array_equal(loaded.pixels[[1, 2]], PATCHES[[2, 0]])


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_files_are_read_to_the_last_pixel(tmp_path: Path, suffix: str) -> None:
    paths = [_save(tmp_path / f"{number}{suffix}", patch) for number, patch in enumerate(PATCHES)]

    assert np.array_equal(read(FileStore(paths), [4, 2]), PATCHES[[4, 2]])


def _damaged(folder: Path) -> dict[str, tuple[Path, str]]:
    deep = folder / "deep.tif"
    Image.fromarray(np.full((96, 96), 40_000, np.uint16)).save(deep)
    cut = _save(folder / "cut.tif", PATCHES[0])
    cut.write_bytes(cut.read_bytes()[:9_000])
    cut_png = _save(folder / "cut.png", PATCHES[0])
    cut_png.write_bytes(cut_png.read_bytes()[:9_000])
    (folder / "text.tif").write_text("404 not found")
    (folder / "empty.tif").touch()
    (folder / "folder.tif").mkdir()
    jpeg = folder / "jpeg.tif"
    Image.fromarray(PATCHES[0]).save(jpeg, "JPEG")
    rows = b"".join(b"\0" + b"\x12\x34" * 96 * 3 for _ in range(96))
    size = "is {} pixels in mode {}; a patch is 96×96 in 8-bit RGB."
    return {
        "16-bit grey": (deep, "deep.tif " + size.format("96×96", "I;16")),
        "16-bit RGB TIFF": (_deep_tiff(folder / "rgb16.tif"), "rgb16.tif " + size.format("96×96", "16-bit RGB")),
        "16-bit RGB PNG": (
            _png(folder / "rgb16.png", side=96, bits=16, rows=rows),
            "rgb16.png " + size.format("96×96", "16-bit RGB"),
        ),
        "RGBA": (_save(folder / "a.png", PATCHES[0], "RGBA"), "a.png " + size.format("96×96", "RGBA")),
        "grey": (_save(folder / "l.tif", PATCHES[0], "L"), "l.tif " + size.format("96×96", "L")),
        "wide": (_save(folder / "w.tif", np.zeros((96, 97, 3), np.uint8)), "w.tif " + size.format("97×96", "RGB")),
        "low": (_save(folder / "h.tif", np.zeros((50, 96, 3), np.uint8)), "h.tif " + size.format("96×50", "RGB")),
        "bomb": (
            _png(folder / "bomb.png", side=30_000, bits=8, rows=b""),
            "bomb.png has far too many pixels; a patch is 96×96 in 8-bit RGB.",
        ),
        "cut TIFF": (cut, "cut.tif is damaged or no image."),
        "cut PNG": (cut_png, "cut.png is damaged or no image."),
        "text": (folder / "text.tif", "text.tif is damaged or no image."),
        "empty": (folder / "empty.tif", "empty.tif is damaged or no image."),
        "folder": (folder / "folder.tif", "folder.tif is damaged or no image."),
        "JPEG": (jpeg, "jpeg.tif is damaged or no image."),
        "gone": (folder / "gone.tif", "gone.tif is not there any more."),
    }


def test_what_cannot_be_read_is_white_and_named_and_the_rest_is_read(tmp_path: Path) -> None:
    damaged = _damaged(tmp_path)
    good = _save(tmp_path / "good.tif", PATCHES[0])
    paths = [good, *(path for path, _ in damaged.values()), good]

    loaded = FileStore(paths).load(range(len(paths)))

    expected = {number: sentence for number, (_, sentence) in enumerate(damaged.values(), start=1)}
    assert loaded.unreadable == expected
    assert (loaded.pixels[1:-1] == 255).all()
    assert np.array_equal(loaded.pixels[[0, -1]], PATCHES[[0, 0]])


def test_reading_strictly_raises_with_the_first_reason_and_the_count(tmp_path: Path) -> None:
    store = FileStore([_save(tmp_path / "a.tif", PATCHES[0]), tmp_path / "b.tif", tmp_path / "c.tif"])

    with pytest.raises(PatchError, match=r"^b\.tif is not there any more\.$"):
        read(store, [0, 1])
    with pytest.raises(PatchError, match=r"^b\.tif is not there any more\. \(2 of 3 patches\)$"):
        read(store, [0, 1, 2])


def test_batches_go_through_rows_in_order_and_say_what_is_unreadable() -> None:
    patches = np.arange(7, dtype=np.uint8)[:, None, None, None].repeat(96, 1).repeat(96, 2).repeat(3, 3)
    store = PackedStore(patches, {3: "damaged"})
    seen: list[float] = []
    found = list(batches(store, np.array([6, 3, 0, 5, 1]), size=2, progress=seen.append))

    assert [rows.tolist() for rows, _ in found] == [[6, 3], [0, 5], [1]]
    assert [loaded.pixels[:, 0, 0, 0].tolist() for _, loaded in found] == [[6, 3], [0, 5], [1]]
    assert [loaded.readable.tolist() for _, loaded in found] == [[True, False], [True, True], [True]]
    assert [loaded.unreadable for _, loaded in found] == [{1: "damaged"}, {}, {}]
    assert seen == [0.4, 0.8, 1.0]


def test_batches_report_what_the_caller_is_done_with_and_none_of_no_rows() -> None:
    store, seen = ArrayStore(np.zeros((4, 96, 96, 3), np.uint8)), list[float]()
    through = batches(store, np.arange(4), size=2, progress=seen.append)
    next(through)
    assert seen == []
    next(through)
    assert seen == [0.5]
    assert list(batches(store, np.array([], np.int64), progress=seen.append)) == []
    assert seen == [0.5]
