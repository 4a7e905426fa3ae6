"""The files of the corpus that are damaged, foreign or too large."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from patch_encoders import ARRAY, Case, centre, chunk, cropped, picture, pil, png, rgb_page, smooth, tags, tiff


def damage() -> Iterator[Case]:
    files = {
        "TIFF": pil(ARRAY, "TIFF"),
        "TIFF-lzw": pil(ARRAY, "TIFF", compression="tiff_lzw"),
        "PNG": pil(ARRAY, "PNG"),
        "JPEG": pil(smooth(96, 96), "JPEG"),
        "JPEG-progressive": pil(smooth(96, 96), "JPEG", progressive=True),
        "WEBP": pil(ARRAY, "WEBP"),
        "WEBP-lossless": pil(ARRAY, "WEBP", lossless=True),
    }
    for key, data in files.items():
        for part in (0.1, 0.25, 0.5, 0.9):
            words = ("damaged",) if int(len(data) * part) > 12 else ()
            yield Case(f"{key} cut to {part:.0%}", data[: int(len(data) * part)], words=words)
        yield Case(f"{key} 2 bytes", data[:2], words=("not an image",))
        yield Case(f"{key} 12 bytes", data[:12], words=("damaged",))
    broken = bytearray(files["PNG"])
    broken[60] ^= 255
    yield Case("PNG wrong checksum", bytes(broken), words=("damaged",))
    start = files["PNG"].index(b"IDAT")
    yield Case("PNG broken stream", png(ARRAY, 8, 2).replace(b"\x78\x9c", b"\x00\x00", 1), words=("damaged",))
    yield Case("PNG without pixels", files["PNG"][: start - 4] + chunk(b"IEND", b""), words=("damaged",))
    yield Case("PNG width 0", png(ARRAY, 8, 2, size=(0, 96)), words=("damaged",))
    text_bomb = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(50_000_000)))
    yield Case("PNG text bomb", png(ARRAY, 8, 2, text_bomb), words=("damaged",))


def foreign() -> Iterator[Case]:
    brand = bytes(4) + b"ftyp"
    for kind, data in {
        "GIF": pil(ARRAY, "GIF"),
        "BMP": pil(ARRAY, "BMP"),
        "PDF": b"%PDF-1.7\n",
        "zip": b"PK\x03\x04" + bytes(40),
        "HEIC": brand + b"heic" + bytes(20),
        "AVIF": brand + b"avif" + bytes(20),
        "JPEG 2000": b"\xff\x4f\xff\x51" + bytes(9),
        "Photoshop": b"8BPS\0\1",
        "DICOM": bytes(128) + b"DICM",
        "HDF5": b"\x89HDF\r\n\x1a\n",
        "NumPy": b"\x93NUMPY\1\0",
        "gzip": b"\x1f\x8b\x08",
        "7-Zip": b"7z\xbc\xaf\x27\x1c",
        "RAR": b"Rar!\x1a\x07",
    }.items():
        yield Case(f"foreign {kind}", data, words=("This is a", kind, "TIFF, PNG, JPEG or WebP"))
    for kind, data in {
        "text": b"hello, world\n" * 9,
        "html": b"<!doctype html><p>404",
        "svg": b"<svg xmlns='x'/>",
        "zeros": bytes(999),
        "csv": b"id,label\na,1\n",
        "noise": np.random.default_rng(3).bytes(4000),
        "one byte": b"I",
        "ppm": b"P6 96 96 255\n",
        "RIFF sound": b"RIFF\x24\0\0\0WAVEfmt ",
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    }.items():
        yield Case(f"foreign {kind}", data, words=("not an image", "TIFF, PNG, JPEG or WebP"))
    yield Case("empty", b"", words=("empty (0 bytes)",))


def bomb_png() -> bytes:
    """12,288×12,288 black pixels, 151 million, in 18 KB."""
    header = struct.pack(">IIBBBBB", 12_288, 12_288, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(12_288 * (1 + 12_288 // 8)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def bombs() -> Iterator[Case]:
    words = ("100,000,000 pixels", "cut")
    yield Case("PNG bomb", bomb_png(), words=("12,288×12,288", *words))
    yield Case("PNG says 100,000²", png(ARRAY, 8, 2, size=(100_000, 100_000)), words=words)
    yield Case("PNG says 10,001x10,000", png(ARRAY, 8, 2, size=(10_001, 10_000)), words=("10,001×10,000", *words))
    yield Case("TIFF says 20,000²", tiff((b"", tags(ARRAY, 2) | {256: 20_000, 257: 20_000})), words=words)
    yield Case(
        "TIFF page says 12,000²",
        tiff(rgb_page(ARRAY), (b"", tags(ARRAY, 2) | {256: 12_000, 257: 12_000})),
        words=("12,000×12,000", *words),
        options={"page": 1},
    )
    jpeg = bytearray(pil(smooth(96, 96), "JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    yield Case("JPEG says 60,000²", bytes(jpeg), words=words)
    webp = pil(ARRAY, "WEBP", lossless=True)[12:]
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (16_382).to_bytes(3, "little") * 2
    whole = b"RIFF" + struct.pack("<I", 4 + len(canvas) + len(webp)) + b"WEBP" + canvas + webp
    yield Case("WEBP says 16,383²", whole, words=words)
    lower = {"max_pixels": 10_000}
    yield Case(
        "limit met",
        pil(picture(100, 100), "PNG"),
        centre(picture(100, 100)),
        cropped(100, 100),
        options=lower,
    )
    by_one = {"max_pixels": 9_999}
    words = ("100×100", "9,999 pixels")
    yield Case("limit passed by one", pil(picture(100, 100), "PNG"), words=words, options=by_one)
