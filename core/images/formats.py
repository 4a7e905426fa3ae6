"""What a file is, from its first bytes, how many pages a TIFF holds and how they are compressed: nothing is decoded."""

import struct
from collections.abc import Iterator

FORMATS = ("TIFF", "PNG", "JPEG", "WEBP")
"""The decoders that Pillow may use; its other forty are never reached by a user's file."""

DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    struct.error,
)
"""What Pillow raises on damaged files, by 200,000 random changes to files of every kind that is read."""

DAMAGED = "The {} file is damaged or cut off; save or download it again."

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
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"v/1\x01", "an OpenEXR image"),
    (b"\0\x05\x16\x07", "a resource file of macOS"),
    (b"version https://git-lfs", "a pointer of Git LFS (the file itself was not downloaded)"),
)

_COMPRESSIONS: dict[object, str] = {
    2: "CCITT fax", 3: "CCITT fax", 4: "CCITT fax", 32771: "CCITT fax", 6: "JPEG of the old kind", 34661: "JBIG",
    34715: "JBIG2", 32766: "NeXT", 32809: "ThunderScan", 34676: "LogLuv", 34677: "LogLuv", 34925: "LZMA",
    50000: "Zstandard",
    33003: "JPEG 2000 (Aperio)", 33004: "JPEG 2000", 33005: "JPEG 2000 (Aperio)", 34712: "JPEG 2000", 34887: "LERC",
    34892: "lossy JPEG of DNG", 34933: "PNG", 34934: "JPEG XR", 22610: "JPEG XR (Hamamatsu)", 50001: "WebP",
    50002: "JPEG XL", 52546: "JPEG XL", 34713: "Nikon's raw format", 65535: "Pentax's raw format",
}  # fmt: skip
"""Names of TIFF's compressions (tag 259) that may be missing; libtiff's list, Adobe's and Aperio's."""

_SURE = (1, 5, 7, 8, 32773, 32946)  # none, LZW, JPEG, Deflate, PackBits, Deflate: every build of libtiff has them
_PERHAPS = (6, 34925, 50000)  # some builds have them, and say that the file is damaged where they do not

COMPRESSION = 259
"""Tag of a TIFF (TIFF 6.0, section 8)."""

_INTEGERS = {3: "H", 4: "I", 16: "Q"}  # types of a tag: SHORT, LONG, and LONG8 of BigTIFF


def kind_of(data: bytes) -> str:
    """Say what the first bytes of a file are: one of FORMATS, words such as "a PDF", or "" when unknown."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return "an AVIF image" if data[8:12] in (b"avif", b"avis") else "a HEIC image or a video"
    if data[128:132] == b"DICM":
        return "a DICOM file"
    if data[257:262] == b"ustar":
        return "a tar archive"
    return next((kind for start, kind in _STARTS if data.startswith(start)), "") or _text(data[:512])


def _text(start: bytes) -> str:
    """Say which text a file begins with, or "" where it is none; an error page is often saved in place of an image."""
    try:
        text = start.decode("utf-8", "strict" if len(start) < 512 else "ignore").lstrip("\ufeff").strip()
    except UnicodeDecodeError:
        return ""
    if len(text) < 8 or not all(letter.isprintable() or letter.isspace() for letter in text):
        return ""
    return "a web page, not an image" if text.lower().startswith(("<!doctype", "<html")) else "text, not an image"


def count_pages(data: bytes) -> int:
    """Count the pages of a TIFF by following its directories; anything else has one page.

    Stops at MAX_PAGES, at a directory that was seen before, and where the chain leaves the file.
    """
    return max(1, sum(1 for _ in _directories(data))) if kind_of(data) == "TIFF" else 1


def compression_name(compression: object) -> str | None:
    """Name a compression of TIFF (tag 259) that is not read, or may not be; None for one that always is."""
    return None if compression in _SURE else _COMPRESSIONS.get(compression, f"method {compression}")


def is_never_read(compression: object) -> bool:
    """Whether a compression (tag 259) is none of those that a libtiff may have: it would write to the terminal."""
    return compression not in _SURE + _PERHAPS


def tiff_problem(compression: object, otherwise: str = DAMAGED.format("TIFF")) -> str:
    """Return why a TIFF cannot be read: how it is compressed, unless that is read everywhere."""
    name = compression_name(compression or 1)
    if name is None:
        return otherwise
    not_read = "is not read" if is_never_read(compression) else "cannot be read here, or it is damaged"
    return f"The TIFF is compressed as {name}, which {not_read}; save it with LZW or without compression."


def tiff_tag(data: bytes, page: int, wanted: int) -> int | None:
    """Return the first value of an integer tag of a TIFF's page, or None where it is not there."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    try:
        for number, (start, entries) in enumerate(_directories(data)):
            if number == page:
                for at in range(start, start + min(entries, 4_096) * (20 if big else 12), 20 if big else 12):
                    tag, kind = struct.unpack_from(order + "HH", data, at)
                    if tag == wanted and kind in _INTEGERS:
                        return int(struct.unpack_from(order + _INTEGERS[kind], data, at + (12 if big else 8))[0])
    except (struct.error, OverflowError):  # the directory leaves the file
        pass
    return None


def _directories(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the entries of each directory of a TIFF begin, and how many there are.

    Source: TIFF 6.0, section 2 (version 42, 4-byte offsets); BigTIFF (version 43, 8-byte offsets).
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    count_format, entry_bytes, offset_format = ("Q", 20, "Q") if big else ("H", 12, "I")
    seen: set[int] = set()
    try:
        (offset,) = struct.unpack_from(order + offset_format, data, 8 if big else 4)
        while offset and offset not in seen and len(seen) < MAX_PAGES:
            (entries,) = struct.unpack_from(order + count_format, data, offset)
            seen.add(offset)
            start = offset + struct.calcsize(order + count_format)
            yield start, entries
            (offset,) = struct.unpack_from(order + offset_format, data, start + entries * entry_bytes)
    except (struct.error, OverflowError):  # the chain points outside the file: the pages before it count
        pass
