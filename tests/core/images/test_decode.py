"""Each file of the corpus is decoded to the right pixels or refused in the right words."""

import importlib.util
import logging
import random
import struct
import sys
import threading
import time
import tracemalloc
import warnings
import zlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from core.data.store import PATCH_SIZE
from core.errors import PatchError
from core.images.decode import MAX_PIXELS, DecodedPatch, decode_patch, load_picture
from core.images.formats import count_pages, kind_of
from core.images.plain_tiff import plain_pixels


def _load(name: str) -> ModuleType:
    """Tests are no package, so what lies beside this file is loaded by its path, as patch_NAME."""
    spec = importlib.util.spec_from_file_location(f"patch_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


encoders = _load("encoders")
bad = _load("corpus_bad")
corpus = _load("corpus")
CASES = corpus.cases()


def decoded(case, name: str = "p") -> DecodedPatch:
    if "page" in case.options:
        return load_picture(case.data, name=name, least=PATCH_SIZE, **case.options).patch()
    return decode_patch(case.data, name=name, **case.options)


def test_the_corpus_has_about_300_files_with_different_names() -> None:
    assert len(CASES) >= 300
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", [c for c in CASES if c.pixels is not None], ids=lambda case: case.id)
def test_decodes_to_the_right_pixels_and_says_what_was_done(case) -> None:
    patch = decoded(case)
    assert patch.pixels.shape == (96, 96, 3)
    assert patch.pixels.dtype == np.uint8
    difference = np.abs(patch.pixels.astype(int) - case.pixels.astype(int)).max()
    assert difference <= case.tolerance
    assert patch.notes == case.notes


@pytest.mark.parametrize("case", [c for c in CASES if c.pixels is None], ids=lambda case: case.id)
def test_refuses_in_one_sentence_that_names_the_file_and_what_to_do(case) -> None:
    with pytest.raises(PatchError) as refusal:
        decoded(case, "slide 7.png")
    name, _, sentence = str(refusal.value).partition(": ")
    assert name == "slide 7.png"
    for word in case.words:
        assert word in sentence
    assert sentence.endswith(".")
    assert ";" in sentence or "page" in sentence  # what is wrong; what to do
    assert "\n" not in sentence
    assert "BytesIO" not in sentence


def test_a_bomb_of_18_kb_is_refused_at_once_and_without_its_memory() -> None:
    data = bad.bomb_png()
    assert len(data) < 20_000
    tracemalloc.start()
    begin = time.perf_counter()
    with pytest.raises(PatchError, match="12,288×12,288"):
        decode_patch(data)
    seconds = time.perf_counter() - begin
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 0.2
    assert peak < 1_000_000


def test_a_picture_of_exactly_the_default_limit_is_not_too_large() -> None:
    with pytest.raises(PatchError, match="damaged"):  # it says 10,000×10,000 and holds 96×96
        decode_patch(encoders.png(encoders.ARRAY, 8, 2, size=(10_000, MAX_PIXELS // 10_000)))


def test_the_pixels_can_be_written_to_and_belong_to_the_caller() -> None:
    data = encoders.pil(encoders.ARRAY, "PNG")
    first = decode_patch(data).pixels
    first[:] = 0
    assert np.array_equal(decode_patch(data).pixels, encoders.ARRAY)


def test_the_size_is_that_of_the_upright_picture() -> None:
    data = encoders.pil(encoders.picture(120, 100), "PNG", exif=encoders.exif(6))
    assert load_picture(data).size == (100, 120)


def test_nothing_is_warned_or_logged_whatever_the_filters(caplog: pytest.LogCaptureFixture) -> None:
    """Pillow warns on odd metadata and large sizes; a caller must see the same with any filter."""
    actl = encoders.chunk(b"acTL", struct.pack(">II", 0, 0))
    odd = encoders.png(encoders.ARRAY, 8, 2, actl)
    with caplog.at_level(logging.INFO), warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert np.array_equal(decode_patch(odd, name="secret").pixels, encoders.ARRAY)
        with pytest.raises(PatchError):
            decode_patch(bad.bomb_png(), name="secret")
    assert seen == []
    assert "secret" not in caplog.text


def test_the_warning_filters_are_as_they_were() -> None:
    before = list(warnings.filters)
    decode_patch(encoders.pil(encoders.ARRAY, "PNG"))
    assert warnings.filters == before


def test_threads_do_not_disturb_each_other() -> None:
    some = [c for c in CASES if c.pixels is not None and c.tolerance == 0][::9]
    wrong: list[str] = []

    def work(order: list[int]) -> None:
        for i in order:
            patch = decoded(some[i])
            if not np.array_equal(patch.pixels, some[i].pixels) or patch.notes != some[i].notes:
                wrong.append(some[i].id)

    orders = [random.Random(seed).sample(range(len(some)), len(some)) for seed in range(8)]
    threads = [threading.Thread(target=work, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def _small_bases() -> list[bytes]:
    """One file per decoder and layout; small, so that most changes hit something that matters."""
    flat = np.full((96, 96, 3), 120, np.uint8)
    make = encoders.pil
    return [
        make(flat, "PNG", exif=encoders.exif(6)),
        make(flat[..., 0], "PNG"),
        make(flat, "JPEG", exif=encoders.exif(8)),
        make(flat, "WEBP", lossless=True, exif=encoders.exif(3)),
        make(flat, "WEBP"),
        make(flat, "TIFF", compression="tiff_lzw"),
        make(flat, "TIFF", compression="jpeg"),
        make(flat, "TIFF", compression="tiff_adobe_deflate"),
        encoders.tiff(encoders.rgb_page(flat, orientation=6), encoders.rgb_page(flat)),
        encoders.tiff(encoders.rgb_page(flat), big=True),
        encoders.one_tiff(np.zeros((96, 96), np.uint8), 3, colours=tuple(range(768))),
    ]


def _changed(data: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.2:
        return data[: rng.randrange(len(data))]
    mutable = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        # Headers and TIFF directories, which lie at the end, are where a change does most.
        near = rng.choice((rng.randrange(len(data)), rng.randrange(min(300, len(data))), -1 - rng.randrange(200)))
        at = near % len(mutable)
        match rng.randrange(4):
            case 0:
                mutable[at] = rng.randrange(256)
            case 1:
                mutable[at] ^= 1 << rng.randrange(8)
            case 2:
                mutable[at : at + 4] = b"\xff\xff\xff\xff"
            case _:
                del mutable[at : at + rng.randrange(1, 8)]
    return _with_checksums(mutable) if data[1:4] == b"PNG" and rng.random() < 0.7 else bytes(mutable)


def _with_checksums(data: bytearray) -> bytes:
    """Repair a PNG's checksums, so that the change gets past the first gate."""
    at = 8
    while at + 12 <= len(data) and at + 12 + int.from_bytes(data[at : at + 4], "big") <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(data)


@pytest.mark.parametrize("number", range(11))
def test_no_damage_raises_anything_but_a_patch_error(number: int, capfd: pytest.CaptureFixture[str]) -> None:
    base, rng = _small_bases()[number], random.Random(number)
    decoded = refused = 0
    for _ in range(250):
        data, page = _changed(base, rng), rng.choice((None, None, 0, 1))
        try:
            patch = load_picture(data, page=page, least=PATCH_SIZE, max_pixels=4_000_000).patch()
        except PatchError:
            refused += 1
        else:
            assert patch.pixels.shape == (96, 96, 3)
            decoded += 1
    assert decoded + refused == 250
    assert refused > 20
    assert capfd.readouterr() == ("", "")  # libtiff would write to the terminal by itself


def test_pages_are_counted_up_to_1000_in_linear_time() -> None:
    directory = struct.pack("<H", 0)
    many = b"II*\0" + struct.pack("<I", 8)
    many += b"".join(directory + struct.pack("<I", 8 + 6 * (i + 1)) for i in range(200_000))
    begin = time.perf_counter()
    assert count_pages(many) == 1000
    assert time.perf_counter() - begin < 0.1


def test_a_kind_is_told_by_the_first_bytes_alone() -> None:
    assert kind_of(encoders.pil(encoders.ARRAY, "PNG")[:8]) == "PNG"
    assert kind_of(encoders.pil(encoders.ARRAY, "WEBP")[:12]) == "WEBP"
    assert kind_of(b"RIFF\0\0\0\0WAVE") == ""
    assert kind_of(b"") == ""


def test_the_quick_way_for_plain_tiffs_gives_what_pillow_gives_or_leaves_it_to_it() -> None:
    """2,000 changed plain TIFFs: whatever the quick way takes, Pillow reads without a note and with the same pixels."""
    base, rng, taken = encoders.pil(encoders.ARRAY, "TIFF"), random.Random(14), 0
    assert np.array_equal(plain_pixels(base), encoders.ARRAY)
    for _ in range(2_000):
        data = _changed(base, rng)
        pixels = plain_pixels(data)
        if pixels is not None:
            taken += 1
            slow = load_picture(data).patch()
            assert np.array_equal(slow.pixels, pixels)
            assert slow.notes == ()
    assert 50 < taken < 1_950
