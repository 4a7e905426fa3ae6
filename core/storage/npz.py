"""Arrays with a few words about them in one file, ``.npz``: written whole or not at all, refused where damaged."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.storage import atomic

ABOUT = "about"


def save_arrays(path: Path, about: Mapping[str, Any], **arrays: npt.NDArray[Any]) -> None:
    """Write arrays and, as JSON among them, what is to be known of them. Raises :class:`StorageError`."""
    contents: dict[str, Any] = {ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays}
    with atomic.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **contents)


@contextmanager
def stored_arrays(
    path: Path, *, remedy: str, only: Mapping[str, Any] | None = None
) -> Iterator[tuple[dict[str, Any], Mapping[str, npt.NDArray[Any]]] | None]:
    """Give what :func:`save_arrays` wrote, or None if there is no such file; arrays are read when they are asked for.

    Args:
        path: the file.
        remedy: what to do where it is damaged, such as "Delete it and make the map again."
        only: what must be known of the arrays as it is here, such as the files that they were made of; else they are
            out of date, and it is as if there was no file.

    Raises:
        DataError: it is damaged; what makes no sense to the code within, such as a missing array, is taken for that.
    """
    if not path.is_file():
        yield None
        return
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            about = json.loads(file[ABOUT].tobytes()) if ABOUT in file else {}
            out_of_date = only is not None and any(about[name] != value for name, value in only.items())
            yield None if out_of_date else (about, file)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is damaged ({error}). {remedy}") from error
