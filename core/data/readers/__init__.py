"""One module for each layout in which people keep labelled patches; the first that is sure of a path reads it."""

import functools
from importlib.metadata import EntryPoint, entry_points

from core.data.readers import arrays, class_folders, hf_parquet, idc, kaggle, nct_crc, pcam, plain_folder, tables, wilds
from core.data.readers.protocol import LAST, MAYBE, NO, SURE, Given, Listing, Reader, Watched
from core.errors import DataError

__all__ = ["LAST", "MAYBE", "NO", "SURE", "USUAL", "Given", "Listing", "Reader", "Watched", "kaggle", "pcam", "readers"]

GROUP = "nodescope.readers"
OWN: tuple[Reader, ...] = (
    kaggle, pcam, wilds, idc, nct_crc, hf_parquet, arrays, tables, class_folders, plain_folder
)  # fmt: skip

USUAL: tuple[Reader, ...] = (class_folders, tables, kaggle, hf_parquet)
"""The layouts that are named to a person who asks what can be opened."""


@functools.cache
def readers() -> tuple[Reader, ...]:
    """Return the readers in the order in which they are asked; those of other packages come first.

    A package adds one by an entry point of the group :data:`GROUP`, see docs/READERS.md.

    Raises:
        DataError: one of another package cannot be loaded.
    """
    return (*map(_loaded, entry_points(group=GROUP)), *OWN)


def _loaded(entry: EntryPoint) -> Reader:
    try:
        reader: Reader = entry.load()
    except (ImportError, AttributeError) as error:
        raise DataError(
            f"The reader {entry.name} ({entry.value}) cannot be loaded: {error}. Install its package again, or remove "
            "it."
        ) from error
    lacking = [name for name in ("NAME", "EXAMPLE", "recognises", "watched", "read") if not hasattr(reader, name)]
    if lacking:
        raise DataError(f"The reader {entry.name} ({entry.value}) lacks {', '.join(lacking)}, see docs/READERS.md.")
    return reader
