"""Some 300 image files, made by code, each with what decode_patch has to make of it."""

import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from patch_corpus_bad import bombs, damage, foreign
from patch_encoders import (
    ARRAY,
    CMYK,
    EXTRA,
    GREY,
    LEVELS,
    TURNED,
    WHITE,
    Case,
    centre,
    chunk,
    cropped,
    exif,
    one_tiff,
    over_white,
    picture,
    pil,
    png,
    rgb_of,
    rgb_page,
    smooth,
    tags,
    tiff,
)
from PIL import Image

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
        exact = pil(smooth(96, 96), kind)
        yield Case(f"{kind} exact 96x96", exact, smooth(96, 96), tolerance=10)


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
    damaged = ("The orientation tag of the picture is damaged, so it was not applied.",)
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


def cases() -> list[Case]:
    makers = (sizes, palettes, alphas, greys_and_inks, orientations, deep, pages, damage, foreign, bombs)
    return [case for make in makers for case in make()]
