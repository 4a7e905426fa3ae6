"""Image files written out by hand: encoders for kinds that Pillow cannot write (16-bit PNG, odd TIFFs).

So the expected pixels come from the array that was encoded and never from Pillow's own reading.
"""

import io
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

GREY = "The picture is greyscale: the colours of the stain are missing, and the model expects H&E."
CMYK = "Converted from CMYK (print colours); the colours may have shifted."
WHITE = "Transparency was laid over white."
TURNED = "The picture was rotated or mirrored upright, as its orientation tag says."
EXTRA = "Extra channels beside the colours were ignored."


@dataclass(frozen=True)
class Case:
    id: str
    data: bytes
    pixels: np.ndarray | None = None  # None: refused
    notes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()  # what the refusal has to say
    tolerance: int = 0
    options: dict[str, Any] = field(default_factory=dict)


# --- pictures --------------------------------------------------------------------------------------


def picture(width: int, height: int) -> np.ndarray:
    """An RGB picture in which neighbouring pixels differ, so that a shift by one pixel is seen."""
    y, x = np.mgrid[:height, :width]
    return np.stack([(x * 5 + y * 3) % 256, (x * 7 + y * 11) % 256, (x * 13 + y * 2) % 256], -1).astype(np.uint8)


def smooth(width: int, height: int) -> np.ndarray:
    """A gentle slope, which lossy formats keep within a few grey levels."""
    y, x = np.mgrid[:height, :width]
    return np.stack([60 + x * 120 // width, 70 + y * 120 // height, 90 + (x + y) * 60 // (width + height)], -1).astype(
        np.uint8
    )


def centre(array: np.ndarray) -> np.ndarray:
    top, left = (array.shape[0] - 96) // 2, (array.shape[1] - 96) // 2
    return array[top : top + 96, left : left + 96]


def cropped(width: int, height: int) -> tuple[str, ...]:
    return () if (width, height) == (96, 96) else (f"Cropped the centre 96×96 of {width}×{height} pixels.",)


def over_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    a = alpha.astype(float)[..., None] / 255
    return np.floor(colour * a + 255 * (1 - a) + 0.5).astype(np.uint8)


def rgb_of(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=-1)


ARRAY = picture(96, 96)
LEVELS = np.tile(np.arange(96) * 255 // 95, (96, 1)).astype(np.uint8)  # every strength of alpha, left to right


# --- encoders --------------------------------------------------------------------------------------


def pil(array: np.ndarray, kind: str, mode: str | None = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    array: np.ndarray, bits: int, colour_type: int, extra: bytes = b"", size: tuple[int, int] | None = None
) -> bytes:
    """A PNG of any depth; array holds H×W or H×W×C samples (PNG specification, third edition)."""
    height, width = array.shape[:2]
    samples = array.reshape(height, -1)
    if bits == 16:
        rows = samples.astype(">u2").view(np.uint8).reshape(height, -1)
    elif bits == 8:
        rows = samples.astype(np.uint8)
    else:
        each = (samples[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        rows = np.packbits(each.reshape(height, -1).astype(np.uint8), axis=1)
    raw = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", *(size or (width, height)), bits, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    )


def tiff(*pages: tuple[bytes, dict[int, int | tuple[int, ...]]], order: str = "<", big: bool = False) -> bytes:
    """An uncompressed TIFF (or BigTIFF) of the given strips and tags; tags are SHORT or LONG (TIFF 6.0)."""
    start = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    start += struct.pack(order + "HH", 8, 0) if big else b""
    word, pointer, count_word = ("Q", 8, "Q") if big else ("I", 4, "H")
    out = bytearray(start + bytes(pointer))
    link = len(start)
    for strip, tags in pages:
        strip_at = len(out)
        out += strip + bytes(-len(strip) % 8)
        entries = {273: strip_at, 279: len(strip)} | tags
        packed = []
        for tag, value in sorted(entries.items()):
            values = value if isinstance(value, tuple) else (value,)
            kind = 4 if tag in (273, 279) or max(values) > 65535 else 3
            body = struct.pack(order + f"{len(values)}{'I' if kind == 4 else 'H'}", *values)
            if len(body) > pointer:
                at = len(out)
                out += body + bytes(-len(body) % 8)
                body = struct.pack(order + word, at)
            packed.append(struct.pack(order + "HH" + word, tag, kind, len(values)) + body.ljust(pointer, b"\0"))
        struct.pack_into(order + word, out, link, len(out))
        out += struct.pack(order + count_word, len(packed)) + b"".join(packed)
        link = len(out)
        out += bytes(pointer)
    return bytes(out)


def tags(array: np.ndarray, photometric: int, bits: int = 8, **more: int | tuple[int, ...]) -> dict[int, Any]:
    channels = 1 if array.ndim == 2 else array.shape[2]
    named = {"extra": 338, "sample_format": 339, "orientation": 274, "colours": 320, "compression": 259}
    base = {
        256: array.shape[1],
        257: array.shape[0],
        258: (bits,) * channels,
        259: 1,
        262: photometric,
        277: channels,
    }
    return base | {278: array.shape[0]} | {named[key]: value for key, value in more.items()}


def one_tiff(array: np.ndarray, photometric: int, bits: int = 8, order: str = "<", **more: Any) -> bytes:
    return tiff((array.tobytes(), tags(array, photometric, bits, **more)), order=order)


def rgb_page(array: np.ndarray, **more: Any) -> tuple[bytes, dict[int, Any]]:
    return array.tobytes(), tags(array, 2, **more)


def exif(orientation: int) -> bytes:
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
