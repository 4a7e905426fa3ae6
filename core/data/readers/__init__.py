"""One module for each layout in which people keep labelled patches; the first that is sure of a path reads it."""

from core.data.readers import arrays, class_folders, hf_parquet, idc, kaggle, nct_crc, pcam, plain_folder, tables, wilds
from core.data.readers.protocol import LAST, MAYBE, NO, SURE, Given, Listing, Reader, Watched

__all__ = ["LAST", "MAYBE", "NO", "SURE", "Given", "Listing", "Reader", "Watched", "kaggle", "pcam", "readers"]

OWN: tuple[Reader, ...] = (
    kaggle, pcam, wilds, idc, nct_crc, hf_parquet, arrays, tables, class_folders, plain_folder
)  # fmt: skip


def readers() -> tuple[Reader, ...]:
    """Return the readers in the order in which they are asked."""
    return OWN
