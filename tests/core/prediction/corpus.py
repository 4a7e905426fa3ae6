"""Some 300 image files, made by code, each with what decode_patch has to make of it.

The encoders for kinds that Pillow cannot write (16-bit PNG, odd TIFFs) are written out here, so that the
expected pixels come from the array that was encoded and never from Pillow's own reading.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

GREY = "The picture is greyscale: the colours of the stain are missing, and the model expects H&E."
CMYK = "Converted from CMYK (print colours); the colours may have shifted."
WHITE = "Transparency was laid over white."
TURNED = "The picture was turned upright, as its orientation tag says."
EXTRA = "Extra channels beside the colours were left out."


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


# --- the cases -------------------------------------------------------------------------------------

LOSSLESS: dict[str, dict[str, Any]] = {
    "TIFF": {},
    "TIFF-lzw": {"compression": "tiff_lzw"},
    "TIFF-deflate": {"compression": "tiff_adobe_deflate"},
    "TIFF-packbits": {"compression": "packbits"},
    "PNG": {},
    "WEBP-lossless": {"lossless": True},
}
LOSSY: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95},
    "JPEG-progressive": {"quality": 95, "progressive": True},
    "WEBP-lossy": {"quality": 95},
    "TIFF-jpeg": {"compression": "jpeg", "quality": 95},
}
SIZES = [(96, 96), (97, 96), (96, 97), (97, 97), (98, 99), (128, 128), (200, 131), (512, 512), (96, 300)]
SMALL = [(95, 96), (96, 95), (1, 1), (50, 40), (95, 500), (500, 95)]


def _kind(key: str) -> str:
    return key.split("-")[0]


def sizes() -> Iterator[Case]:
    for key, options in LOSSLESS.items():
        for width, height in SIZES:
            array = picture(width, height)
            data = pil(array, _kind(key), **options)
            yield Case(f"{key} {width}x{height}", data, centre(array), cropped(width, height))
    for key, options in LOSSY.items():
        for width, height in [(96, 96), (128, 128), (201, 131)]:
            array = smooth(width, height)
            data = pil(array, _kind(key), **options)
            yield Case(f"{key} {width}x{height}", data, centre(array), cropped(width, height), tolerance=6)
    for kind in ("TIFF", "PNG", "JPEG", "WEBP"):
        for width, height in SMALL:
            words = (f"{width}×{height}", "96×96", "magnification")
            yield Case(f"{kind} small {width}x{height}", pil(picture(width, height), kind), words=words)
        large = pil(picture(97, 96), kind)
        yield Case(f"{kind} reject 97x96", large, words=("97×96", "exactly 96×96"), options={"fit": "reject"})
        exact = pil(smooth(96, 96), kind)
        yield Case(f"{kind} reject 96x96", exact, smooth(96, 96), tolerance=10, options={"fit": "reject"})


def palettes() -> Iterator[Case]:
    rng = np.random.default_rng(1)
    for bits in (1, 2, 4, 8):
        colours = rng.integers(0, 256, (2**bits, 3), dtype=np.uint8)
        index = rng.integers(0, 2**bits, (96, 96), dtype=np.uint8)
        plte = chunk(b"PLTE", colours.tobytes())
        yield Case(f"PNG palette {bits}", png(index, bits, 3, plte), colours[index])
        alpha = rng.integers(0, 255, 2**bits, dtype=np.uint8)
        mixed = over_white(colours[index], alpha[index])
        yield Case(
            f"PNG palette alpha {bits}",
            png(index, bits, 3, plte + chunk(b"tRNS", alpha.tobytes())),
            mixed,
            (WHITE,),
        )
        opaque = chunk(b"tRNS", bytes([255]) * 2**bits)
        yield Case(f"PNG palette opaque {bits}", png(index, bits, 3, plte + opaque), colours[index])
        one = np.full(2**bits, 255, np.uint8)
        one[1] = 0
        single = png(index, bits, 3, plte + chunk(b"tRNS", b"\xff\0"))
        yield Case(f"PNG palette one clear {bits}", single, over_white(colours[index], one[index]), (WHITE,))
        strip = (
            index
            if bits == 8
            else np.packbits(np.unpackbits(index[..., None], axis=-1)[..., -bits:].reshape(96, -1), axis=1)
        )
        table = tuple(int(v) * 257 for v in colours.T.ravel())
        data = tiff((strip.tobytes(), tags(index, 3, bits, colours=table)))
        yield Case(f"TIFF palette {bits}", data, colours[index])


def alphas() -> Iterator[Case]:
    for name, alpha in {
        "clear": LEVELS * 0,
        "half": LEVELS * 0 + 128,
        "slope": LEVELS,
        "opaque": LEVELS * 0 + 255,
    }.items():
        rgba = np.dstack([ARRAY, alpha])
        notes = () if name == "opaque" else (WHITE,)
        expected = over_white(ARRAY, alpha)
        yield Case(f"PNG RGBA {name}", png(rgba, 8, 6), expected, notes)
        yield Case(f"TIFF RGBA {name}", one_tiff(rgba, 2, extra=2), expected, notes)
        yield Case(f"WEBP RGBA {name}", pil(rgba, "WEBP", lossless=True, exact=True), expected, notes)
        grey = ARRAY[..., 0]
        la = np.dstack([grey, alpha])
        yield Case(f"PNG LA {name}", png(la, 8, 4), over_white(rgb_of(grey), alpha), (GREY, *notes))
        yield Case(f"TIFF LA {name}", one_tiff(la, 1, extra=2), over_white(rgb_of(grey), alpha), (GREY, *notes))
        premultiplied = np.dstack([(ARRAY * (alpha[..., None] / 255)).astype(np.uint8), alpha])
        yield Case(f"TIFF RGBa {name}", one_tiff(premultiplied, 2, extra=1), expected, notes, tolerance=2)
        lap = np.dstack([(grey * (alpha / 255)).astype(np.uint8), alpha])
        yield Case(
            f"TIFF La {name}",
            one_tiff(lap, 1, extra=1),
            over_white(rgb_of(grey), alpha),
            (GREY, *notes),
            tolerance=2,
        )
    key = tuple(int(v) for v in ARRAY[3, 4])
    hit = (key == ARRAY).all(-1)
    rgb_key = png(ARRAY, 8, 2, chunk(b"tRNS", struct.pack(">3H", *key)))
    yield Case("PNG RGB colour key", rgb_key, over_white(ARRAY, np.where(hit, 0, 255)), (WHITE,))
    grey = ARRAY[..., 1]
    grey_key = png(grey, 8, 0, chunk(b"tRNS", struct.pack(">H", 77)))
    yield Case("PNG L grey key", grey_key, over_white(rgb_of(grey), np.where(grey == 77, 0, 255)), (GREY, WHITE))


def greys_and_inks() -> Iterator[Case]:
    grey = ARRAY[..., 2]
    for kind in ("TIFF", "PNG"):
        yield Case(f"{kind} L", pil(grey, kind), rgb_of(grey), (GREY,))
    yield Case(
        "JPEG L",
        pil(smooth(96, 96)[..., 0], "JPEG", quality=95),
        rgb_of(smooth(96, 96)[..., 0]),
        (GREY,),
        tolerance=4,
    )
    yield Case("TIFF L white is 0", one_tiff(grey, 0), rgb_of(255 - grey), (GREY,))
    yield Case("TIFF L big-endian", one_tiff(grey, 1, order=">"), rgb_of(grey), (GREY,))
    yield Case(
        "PNG L cropped",
        pil(picture(100, 101)[..., 0], "PNG"),
        rgb_of(centre(picture(100, 101)[..., 0])),
        (*cropped(100, 101), GREY),
    )
    for bits in (2, 4):
        values = (grey >> (8 - bits)).astype(np.uint8)
        yield Case(f"PNG L {bits}-bit", png(values, bits, 0), rgb_of(values * (255 // (2**bits - 1))), (GREY,))
    inks = np.dstack([ARRAY, ARRAY[..., 0] // 2])
    black = 255 - inks[..., 3:].astype(int)
    paper = (255 - inks[..., :3].astype(int)) * black / 255
    yield Case("TIFF CMYK", one_tiff(inks, 5), paper.round().astype(np.uint8), (CMYK,), tolerance=1)
    flat = np.full((96, 96, 4), (40, 90, 20, 30), np.uint8)
    buffer = io.BytesIO()
    Image.frombytes("CMYK", (96, 96), flat.tobytes()).save(buffer, "JPEG", quality=100)
    colour = np.array([(255 - c) * (255 - 30) / 255 for c in (40, 90, 20)]).round().astype(np.uint8)
    yield Case("JPEG CMYK", buffer.getvalue(), np.tile(colour, (96, 96, 1)), (CMYK,), tolerance=2)
    five = np.dstack([ARRAY, grey, grey])
    yield Case("TIFF RGB and one more", one_tiff(five[..., :4].copy(), 2, extra=0), ARRAY, (EXTRA,))
    yield Case("TIFF RGB and two more", one_tiff(five, 2, extra=(0, 0)), ARRAY, (EXTRA,))
    yield Case("TIFF RGB big-endian", one_tiff(ARRAY, 2, order=">"), ARRAY)
    yield Case("BigTIFF RGB", tiff(rgb_page(ARRAY), big=True), ARRAY)
    # Pillow 13.0 looks for the version of a BigTIFF in the byte where only little-endian files have it.
    yield Case("BigTIFF RGB big-endian", tiff(rgb_page(ARRAY), big=True, order=">"), words=("cannot be read",))
    profile = b"\0" * 3000
    for kind, lossy in {"TIFF": 0, "PNG": 0, "JPEG": 4}.items():
        data = pil(smooth(96, 96), kind, icc_profile=profile, **({"quality": 95} if lossy else {}))
        yield Case(f"{kind} with colour profile", data, smooth(96, 96), tolerance=lossy)


# What a viewer has to do with the stored rows and columns to see the picture upright (EXIF 2.32, tag 0x0112).
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


def orientations() -> Iterator[Case]:
    for number, turn in UPRIGHT.items():
        for width, height in [(96, 96), (101, 98)]:
            stored = picture(width, height)
            upright = turn(stored)
            notes = ((TURNED,) if number > 1 else ()) + cropped(upright.shape[1], upright.shape[0])
            name = f"orientation {number} {width}x{height}"
            yield Case(f"TIFF {name}", tiff(rgb_page(stored, orientation=number)), centre(upright), notes)
            yield Case(f"PNG {name}", pil(stored, "PNG", exif=exif(number)), centre(upright), notes)
            webp = pil(stored, "WEBP", lossless=True, exif=exif(number))
            yield Case(f"WEBP {name}", webp, centre(upright), notes)
            jpeg = pil(smooth(width, height), "JPEG", quality=95, exif=exif(number))
            yield Case(f"JPEG {name}", jpeg, centre(turn(smooth(width, height))), notes, tolerance=4)
    yield Case("PNG orientation 9", pil(ARRAY, "PNG", exif=exif(9)), ARRAY)
    damaged = ("The orientation tag of the picture is damaged, so it was not turned.",)
    yield Case("PNG broken EXIF", pil(ARRAY, "PNG", exif=b"Exif\0\0XX*\0\x08\0\0\0"), ARRAY, damaged)


def deep() -> Iterator[Case]:
    """Kinds whose range of brightness is not 0 to 255."""
    rng = np.random.default_rng(2)
    words16 = ("16 bits per channel", "8-bit RGB")
    for colour_type, shape in {0: (96, 96), 2: (96, 96, 3), 4: (96, 96, 2), 6: (96, 96, 4)}.items():
        data = png(rng.integers(0, 65536, shape), 16, colour_type)
        yield Case(f"PNG 16-bit type {colour_type}", data, words=words16)
    for order in "<>":
        for name, channels, photometric, more in [
            ("grey", 1, 1, {}),
            ("RGB", 3, 2, {}),
            ("RGBA", 4, 2, {"extra": 2}),
            ("CMYK", 4, 5, {}),
            ("RGBX", 4, 2, {"extra": 0}),
        ]:
            array = rng.integers(0, 65536, (96, 96, channels)).astype(f"{order}u2")
            data = tiff((array.tobytes(), tags(array, photometric, 16, **more)), order=order)
            yield Case(f"TIFF 16-bit {name} {order}", data, words=words16)
        grey32 = rng.integers(0, 2**31, (96, 96, 1)).astype(f"{order}u4")
        signed = tiff((grey32.tobytes(), tags(grey32, 1, 32, sample_format=2)), order=order)
        yield Case(f"TIFF 32-bit signed {order}", signed, words=("32 bits per channel",))
        real = rng.random((96, 96, 1)).astype(f"{order}f4")
        single = tiff((real.tobytes(), tags(real, 1, 32, sample_format=3)), order=order)
        yield Case(f"TIFF float32 {order}", single, words=("floating-point", "8-bit RGB"))
        signed16 = tiff((real.tobytes(), tags(real[..., 0], 1, 16, sample_format=2)), order=order)
        yield Case(f"TIFF 16-bit signed {order}", signed16, words=words16)
    double = rng.random((96, 96))
    cannot = ("cannot be read", "8-bit RGB")
    yield Case("TIFF float64", tiff((double.tobytes(), tags(double, 1, 64, sample_format=3))), words=cannot)
    rgb32 = rng.random((96, 96, 3)).astype("<f4")
    yield Case("TIFF RGB float32", tiff((rgb32.tobytes(), tags(rgb32, 2, 32, sample_format=3))), words=cannot)
    half = rng.random((96, 96)).astype("<f2")
    yield Case("TIFF float16", tiff((half.tobytes(), tags(half, 1, 16, sample_format=3))), words=cannot)
    bits = rng.integers(0, 2, (96, 96))
    yield Case("PNG 1-bit", png(bits, 1, 0), words=("black and white only",))
    for photometric in (0, 1):
        strip = np.packbits(bits.astype(np.uint8), axis=1).tobytes()
        yield Case(
            f"TIFF 1-bit {photometric}",
            tiff((strip, tags(bits, photometric, 1))),
            words=("black and white only",),
        )
    twelve = tiff((bytes(96 * 144), tags(bits, 1, 12)))
    yield Case("TIFF 12-bit", twelve, words=("12 bits per channel",))
    yield Case("TIFF signed 8-bit", one_tiff(ARRAY[..., 0].copy(), 1, sample_format=2), words=("signed",))
    yield Case("TIFF LAB", one_tiff(ARRAY, 8), words=("LAB", "8-bit RGB"))
    yield Case("TIFF YCbCr raw", one_tiff(ARRAY, 6), words=("YCbCr", "8-bit RGB"))


def pages() -> Iterator[Case]:
    arrays = [ARRAY, ARRAY[::-1].copy(), picture(120, 110)]
    data = tiff(*map(rgb_page, arrays))
    first = "The file holds 3 pages; the first was used."
    yield Case("TIFF 3 pages", data, arrays[0], (first,))
    yield Case("TIFF page 0", data, arrays[0], options={"page": 0})
    yield Case("TIFF page 1", data, arrays[1], options={"page": 1})
    yield Case("TIFF page 2", data, centre(arrays[2]), cropped(120, 110), options={"page": 2})
    for page in (-1, 3):
        yield Case(f"TIFF page {page}", data, words=(f"Page {page}", "3 pages", "0 to 2"), options={"page": page})
    single = tiff(rgb_page(ARRAY))
    yield Case("TIFF 1 page, page 0", single, ARRAY, options={"page": 0})
    yield Case("TIFF 1 page, page 1", single, words=("Page 1", "1 page"), options={"page": 1})
    yield Case("PNG page 1", pil(ARRAY, "PNG"), words=("Page 1", "1 page"), options={"page": 1})
    big = tiff(*map(rgb_page, arrays[:2]), big=True)
    yield Case("BigTIFF page 1", big, arrays[1], options={"page": 1})
    odd = tiff(rgb_page(ARRAY), rgb_page(ARRAY, compression=4711))
    yield Case("TIFF odd second page", odd, ARRAY, ("The file holds 2 pages; the first was used.",))
    yield Case("TIFF odd page asked for", odd, words=("Page 1", "cannot be read"), options={"page": 1})
    deep_page = np.zeros((96, 96), "<u2")
    mixed = tiff(rgb_page(ARRAY), (deep_page.tobytes(), tags(deep_page, 1, 16)))
    yield Case("TIFF 16-bit page", mixed, words=("16 bits",), options={"page": 1})
    small = tiff(rgb_page(ARRAY), rgb_page(picture(48, 48)))
    yield Case("TIFF thumbnail page", small, words=("48×48",), options={"page": 1})
    loop = bytearray(single)
    loop[-4:] = single[4:8]
    yield Case("TIFF that links to itself", bytes(loop), ARRAY)
    for kind in ("WEBP", "PNG"):
        buffer = io.BytesIO()
        frames = [Image.fromarray(a) for a in arrays[:2]]
        frames[0].save(
            buffer,
            kind,
            save_all=True,
            append_images=frames[1:],
            **({"lossless": True} if kind == "WEBP" else {}),
        )
        note = "The file is an animation of 2 frames; the first was used."
        yield Case(f"{kind} animation", buffer.getvalue(), ARRAY, (note,))


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


def cases() -> list[Case]:
    makers = (sizes, palettes, alphas, greys_and_inks, orientations, deep, pages, damage, foreign, bombs)
    return [case for make in makers for case in make()]
