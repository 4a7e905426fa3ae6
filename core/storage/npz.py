"""Arrays and a few plain values about them in one ``.npz`` file: written whole or not at all, refused where damaged."""

import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.storage import atomic
from core.storage.home import OWN_HOME
from core.storage.schema import parse

ABOUT = "about"
LARGEST = 1e9
"""Numbers in stored arrays of floats (logits, features, measures of patches) are smaller by far."""

KINDS = {"f": "real numbers", "iu": "whole numbers", "b": "yes or no"}
"""What `dtype.kind` of numpy stands for."""


def save_arrays(path: Path, about: Mapping[str, Any], **arrays: npt.NDArray[Any]) -> None:
    """Write arrays and, as JSON among them, plain values about them. Raises :class:`StorageError`.

    Example:
        >>> save_arrays(path, {"version": 1}, values=np.zeros(3))
        >>> with stored_arrays(path, remedy="Delete it.", only={"version": 1}) as stored:
        ...     about, arrays = stored
    """
    # JSON as a row of bytes: an object array would be stored as a pickle, which reading refuses.
    contents: dict[str, Any] = {ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays}
    # An open file, because to a name that does not end in .npz numpy would append it.
    with atomic.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **contents)


@contextmanager
def stored_arrays(
    path: Path, *, remedy: str, only: Mapping[str, Any] | None = None
) -> Iterator[tuple[dict[str, Any], Mapping[str, npt.NDArray[Any]]] | None]:
    """Yield what :func:`save_arrays` wrote, or None if there is no such file; an array is read when it is taken.

    Args:
        path: the file.
        remedy: what to do where it is damaged, such as "Delete it and make the map again."
        only: values that must be stored like this, such as the version or the files that the arrays were made of; else
            the arrays are out of date, and None is yielded.

    Raises:
        DataError: it is damaged; so is a file without an array that the body takes.
    """
    try:
        is_there = path.is_file()
    except PermissionError as error:
        raise DataError.unreadable(path, error, advice=OWN_HOME) from error
    if not is_there:
        yield None
        return
    # Also around the body: an array is read when it is taken, and only then its damage shows.
    try:
        # A file from elsewhere must not be able to run code, which a pickle could.
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            about = parse(file[ABOUT].tobytes()) if ABOUT in file else {}
            if not isinstance(about, dict):
                raise ValueError(f"it is described by {type(about).__name__}, expected names with values")
            out_of_date = only is not None and any(about[name] != value for name, value in only.items())
            yield None if out_of_date else (about, file)
    except PermissionError as error:
        raise DataError.unreadable(path, error, advice=OWN_HOME) from error
    # NumPy gives what it finds in a damaged header to Python's parser, and its shape to the memory.
    except (
        OSError, ValueError, KeyError, EOFError, SyntaxError, MemoryError, OverflowError, NotImplementedError,
        zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise DataError(f"{path} is damaged ({error}). {remedy}") from error


def checked(array: npt.NDArray[Any], kind: Literal["f", "iu", "b"], *shape: int | None) -> npt.NDArray[Any]:
    """Return a stored array that is of one of :data:`KINDS` and of this shape, of which None is any length.

    Example:
        >>> checked(np.zeros((5, 2)), "f", 5, None).shape
        (5, 2)

    Raises:
        ValueError: it is another, or holds numbers that are not finite or larger than anything that is stored.
    """
    fits = len(shape) == array.ndim and all(want in (None, got) for want, got in zip(shape, array.shape, strict=True))
    # Put this way round, the comparison refuses NaN as well.
    if not fits or array.dtype.kind not in kind or (kind == "f" and not (np.abs(array) < LARGEST).all()):
        wanted = "×".join("any" if each is None else f"{each:,}" for each in shape)
        got = f"{array.dtype} of shape {'×'.join(map(str, array.shape))}"
        raise ValueError(f"an array must hold {KINDS[kind]} that are finite, {wanted} of them, got {got}")
    return array
