"""What a file is, from its first bytes, and how many pages a TIFF holds: nothing is decoded here."""

import struct

FORMATS = ("TIFF", "PNG", "JPEG", "WEBP")
"""The decoders that Pillow may use; its other forty are never reached by a user's file."""

MAX_PAGES = 1_000
"""Pages of a TIFF that are counted; Pillow's own count takes quadratic time, which a small file can abuse."""

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "a zip archive"),
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP bitmap"),
    (b"%PDF", "a PDF"),
    (b"8BPS", "a Photoshop file"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
)


def kind_of(data: bytes) -> str:
    """Say what the first bytes of a file are: one of FORMATS, words such as "a PDF", or "" when unknown."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return "an AVIF image" if data[8:12] in (b"avif", b"avis") else "a HEIC image or a video"
    if data[128:132] == b"DICM":
        return "a DICOM file"
    return next((kind for start, kind in _STARTS if data.startswith(start)), "")


def count_pages(data: bytes) -> int:
    """Count the pages of a TIFF by following its directories; anything else has one page.

    Stops at MAX_PAGES, at a directory that was seen before, and where the chain leaves the file.

    Source: TIFF 6.0, section 2 (version 42, 4-byte offsets); BigTIFF (version 43, 8-byte offsets).
    """
    if kind_of(data) != "TIFF":
        return 1
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    count_format, entry_bytes, offset_format = ("Q", 20, "Q") if big else ("H", 12, "I")
    seen: set[int] = set()
    try:
        (offset,) = struct.unpack_from(order + offset_format, data, 8 if big else 4)
        while offset and offset not in seen and len(seen) < MAX_PAGES:
            (entries,) = struct.unpack_from(order + count_format, data, offset)
            following = offset + struct.calcsize(order + count_format) + entries * entry_bytes
            seen.add(offset)
            (offset,) = struct.unpack_from(order + offset_format, data, following)
    except (struct.error, OverflowError):  # the chain points outside the file: the pages before it count
        pass
    return max(1, len(seen))
