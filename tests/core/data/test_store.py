"""Stores: the right pixels in the right order, and what cannot be read is said."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import ArrayStore, FileStore, JoinedStore, read
from core.data.store import PackedStore, batches, notes_by_kind
from core.errors import DataError, PatchError
from core.images.decode import decode_patch

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

    assert loaded.unreadable == {
        0: "gone.tif: There is no such file or folder; check the spelling.",
        3: "gone.tif: There is no such file or folder; check the spelling.",
    }
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
    rows = b"".join(b"\0" + b"\x12\x34" * 96 * 3 for _ in range(96))
    deep_words = "16 bits per channel"
    os.mkfifo(folder / "pipe.tif")
    os.symlink(folder / "loop.tif", folder / "loop.tif")
    (folder / "jp2.tif").write_bytes(b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100))
    (folder / "page.tif").write_text("<!DOCTYPE html><html>Not found</html>")
    aperio = _save(folder / "aperio.tif", PATCHES[0])
    data = bytearray(aperio.read_bytes())
    at = data.index(struct.pack("<HHIH", 259, 3, 1, 1))
    for name, number in (("aperio", 33003), ("jxl", 50002), ("webp", 50001), ("lerc", 34887), ("scan", 32809)):
        data[at + 8 : at + 10] = struct.pack("<H", number)
        (folder / f"{name}.tif").write_bytes(data)
    return {
        "16-bit grey": (deep, deep_words),
        "16-bit RGB TIFF": (_deep_tiff(folder / "rgb16.tif"), deep_words),
        "16-bit RGB PNG": (_png(folder / "rgb16.png", side=96, bits=16, rows=rows), deep_words),
        "wide": (
            _save(folder / "w.tif", np.zeros((96, 97, 3), np.uint8)),
            "Got 97×96 pixels, but a patch of a data set",
        ),
        "low": (
            _save(folder / "h.tif", np.zeros((50, 96, 3), np.uint8)),
            "Got 96×50 pixels, but a patch of a data set has 96×96",
        ),
        "bomb": (_png(folder / "bomb.png", side=30_000, bits=8, rows=b""), "far too large"),
        "cut TIFF": (cut, "The TIFF file is damaged or cut off"),
        "cut PNG": (cut_png, "The PNG file is damaged or cut off"),
        "text": (folder / "text.tif", "This is text, not an image"),
        "web page": (folder / "page.tif", "This is a web page, not an image"),
        "empty": (folder / "empty.tif", "The file is empty"),
        "folder": (folder / "folder.tif", "This is a folder"),
        "pipe": (folder / "pipe.tif", "This is neither a file nor a folder"),
        "loop": (folder / "loop.tif", "This is a link that leads to itself"),
        "JPEG 2000": (folder / "jp2.tif", "This is a JPEG 2000 image"),
        "Aperio JPEG 2000": (aperio, "compressed as JPEG 2000 (Aperio), which is not read"),
        "JPEG XL": (folder / "jxl.tif", "compressed as JPEG XL, which is not read"),
        "WebP in TIFF": (folder / "webp.tif", "compressed as WebP, which is not read"),
        "LERC": (folder / "lerc.tif", "compressed as LERC, which is not read"),
        "ThunderScan": (folder / "scan.tif", "compressed as ThunderScan, which is not read"),
        "gone": (folder / "gone.tif", "There is no such file or folder"),
    }


def test_what_cannot_be_read_is_white_and_named_and_the_rest_is_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    damaged = _damaged(tmp_path)
    good = _save(tmp_path / "good.tif", PATCHES[0])
    paths = [good, *(path for path, _ in damaged.values()), good]

    loaded = FileStore(paths).load(range(len(paths)))

    assert list(loaded.unreadable) == list(range(1, 1 + len(damaged)))
    for reason, (path, words) in zip(loaded.unreadable.values(), damaged.values(), strict=True):
        assert reason.startswith(f"{path.name}: ")
        assert words in reason
    assert capfd.readouterr() == ("", "")  # libtiff, too, is quiet
    assert (loaded.pixels[1:-1] == 255).all()
    assert np.array_equal(loaded.pixels[[0, -1]], PATCHES[[0, 0]])


def test_reading_strictly_raises_with_the_first_reason_and_the_count(tmp_path: Path) -> None:
    store = FileStore([_save(tmp_path / "a.tif", PATCHES[0]), tmp_path / "b.tif", tmp_path / "c.tif"])

    with pytest.raises(PatchError, match=r"^b\.tif: There is no such file or folder; check the spelling\.$"):
        read(store, [0, 1])
    with pytest.raises(
        PatchError, match=r"^b\.tif: There is no such file or folder; check the spelling\. \(2 of 3 patches\)$"
    ):
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


def test_a_data_set_decodes_files_as_predict_does_with_the_same_notes(tmp_path: Path) -> None:
    """Every kind of picture that is taken, in one table: the pixels and notes are those of Predict."""
    turned, picture = Image.Exif(), Image.fromarray(PATCHES[0])
    turned[0x0112] = 6
    see_through = picture.copy()
    see_through.putalpha(Image.fromarray(PATCHES[1][..., 0]))
    files = {
        "plain.tif": (picture, {}, ""),
        "turned.png": (picture, {"exif": turned}, "rotated"),
        "turned.jpg": (picture, {"exif": turned}, "rotated"),
        "turned.webp": (picture, {"exif": turned, "lossless": True}, "rotated"),
        "turned.tif": (picture, {"tiffinfo": {274: 6}}, "rotated"),
        "lzw.tif": (picture, {"compression": "tiff_lzw"}, ""),
        "alpha.png": (see_through, {}, "over white"),
        "alpha.tif": (see_through, {}, "over white"),
        "keyed.png": (picture, {"transparency": tuple(int(each) for each in PATCHES[0][0, 0])}, "over white"),
        "grey.png": (picture.convert("L"), {}, "greyscale"),
        "palette.png": (picture.quantize(64), {}, ""),
        "cmyk.tif": (picture.convert("CMYK"), {}, "CMYK"),
        "pages.tif": (picture, {"save_all": True, "append_images": [picture]}, "2 pages"),
        "moving.png": (picture, {"save_all": True, "append_images": [picture.rotate(90)]}, "2 frames"),
    }
    for name, (image, options, _) in files.items():
        image.save(tmp_path / name, **options)
    store = FileStore([tmp_path / name for name in files])
    loaded = store.load(range(len(files)))

    assert loaded.unreadable == {}
    for at, (name, (_, _, words)) in enumerate(files.items()):
        predicted = decode_patch((tmp_path / name).read_bytes())
        assert np.array_equal(loaded.pixels[at], predicted.pixels), name
        assert loaded.notes.get(at, ()) == predicted.notes, name
        assert words in " ".join(predicted.notes), name
        assert bool(predicted.notes) == bool(words), name
    for name in ("turned.png", "turned.tif", "turned.webp"):
        assert np.array_equal(loaded.pixels[list(files).index(name)], np.rot90(PATCHES[0], -1)), name
    joined = JoinedStore([ArrayStore(PATCHES), store])
    assert joined.load([0, len(PATCHES) + 1]).notes == {1: loaded.notes[1]}


def test_notes_that_differ_in_numbers_alone_are_of_one_kind() -> None:
    notes = {0: ("Taken from 1,024×1,024 at 0.25.",), 2: ("Taken from 600×800 at 0.5.", "Grey.")}
    assert notes_by_kind(notes, ["a", "b", "c"]) == {"Taken from 1,024×1,024 at 0.25.": ["a", "c"], "Grey.": ["c"]}
