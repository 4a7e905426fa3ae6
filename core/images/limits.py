"""How much is read at most from files, folders and zips."""

from dataclasses import dataclass

from core.images.decode import MAX_PIXELS

MIB = 1024**2


@dataclass(frozen=True)
class Limits:
    """What is read at most. The defaults take Kaggle's whole archive; UPLOAD_LIMITS is for strangers' files.

    Attributes:
        max_file_bytes: One file or unpacked zip member; 320 MiB holds 100 million uncompressed RGB pixels.
        max_pixels: One picture, to be handed to decode_patch, which enforces it; at most 178,956,970.
        max_zip_members: Members of one zip; Kaggle's training set has 220,025 patches.
        max_zip_bytes: The images of one zip, unpacked; Kaggle's training set takes 6.1 GB.
        max_zip_ratio: Unpacked over packed size of a whole zip. Real patches reach about 2, a folder of
            blank ones some 300; deflate's own bound is 1,032. Zips that unpack to under 64 MiB are not held
            to it.
    """

    max_file_bytes: int = 320 * MIB
    max_pixels: int = MAX_PIXELS
    max_zip_members: int = 250_000
    max_zip_bytes: int = 8_192 * MIB
    max_zip_ratio: float = 100.0


UPLOAD_LIMITS = Limits(
    max_file_bytes=64 * MIB, max_pixels=25_000_000, max_zip_members=60_000, max_zip_bytes=2_048 * MIB
)
"""For files that others send: Kaggle's 57,458 test patches pass (1.6 GB), and one picture costs 0.1 GB."""
