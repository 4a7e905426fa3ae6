"""Nodescope's folder as one file: to back it up, and to move to another computer."""

import secrets
import shutil
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from core.errors import DataError, StorageError
from core.progress import Progress, no_progress
from core.storage import atomic, portable
from core.storage.home import home, make_folder

_NOT_OF_USE = ("locks/*", "*.lock", "*/.lock", "*.tmp", "*/process.json", "*/stop", ".private", ".import-*/*")
"""What stands for processes of this computer."""

_MADE_AGAIN = ("demo/*", "packs/*/patches-*.npy", "packs/*/journal-*", "packs/*/about.json", "packs/*/unpacked-*/*",
               "packs/*/table.npz")  # fmt: skip
"""What takes most of the space and is made again from the data: the demo set and packs."""


def sizes() -> dict[str, int]:
    """Return the bytes of each part of the home folder, the largest first."""
    found: dict[str, int] = {}
    for path in _files():
        name = path.relative_to(home()).parts[0]
        found[name] = found.get(name, 0) + path.stat().st_size
    return dict(sorted(found.items(), key=lambda each: -each[1]))


def export_home(path: Path, *, everything: bool = False, progress: Progress = no_progress) -> tuple[int, int]:
    """Write the home folder into one zip; return the number of files, and the bytes that are made again instead.

    Every file of it is replaced as a whole, so that runs may go on meanwhile.

    Args:
        path: of the zip; one that is there is replaced.
        everything: also what is made again from the data, see above.
        progress: receives the finished share.

    Raises:
        StorageError: it cannot be written.
        DataError: the home folder holds nothing, or a file of it cannot be read.
    """
    useful = [each for each in _files() if not _matches(each.relative_to(home()).as_posix(), _NOT_OF_USE)]
    made_again = () if everything else _MADE_AGAIN
    left = {each for each in useful if _matches(each.relative_to(home()).as_posix(), made_again)}
    chosen = [each for each in useful if each not in left]
    spared = sum(each.stat().st_size for each in left)
    if not chosen:
        raise DataError(f"{home()} holds nothing that could be copied.")
    with (
        atomic.replacing(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for number, each in enumerate(chosen):
            archive.write(each, each.relative_to(home()).as_posix())
            progress((number + 1) / len(chosen))
    return len(chosen), spared


def import_home(path: Path, *, progress: Progress = no_progress) -> tuple[list[str], list[str]]:
    """Take over what :func:`export_home` wrote; what is there already stays as it is.

    Returns:
        The runs, studies and files that came in, and those that were there and were left alone.

    Raises:
        DataError: it is no such file, or damaged.
        StorageError: the home folder cannot be written.
    """
    staging = home() / f".import-{secrets.token_hex(4)}"
    try:
        make_folder(staging)
        with zipfile.ZipFile(path) as archive:
            names = [each for each in archive.infolist() if not each.is_dir()]
            for number, each in enumerate(names):
                archive.extract(each, staging)  # which keeps roots, drives and ".." out of the path
                progress((number + 1) / len(names))
        return _taken_over(staging)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise DataError(f"{path} is no home folder that was exported, or damaged ({error}). Copy it again.") from error
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}. Check the path.") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be taken over: {error.strerror or error}. Free some space.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _taken_over(staging: Path) -> tuple[list[str], list[str]]:
    """Move each run, study and file to its place unless there is one."""
    units = {
        PurePosixPath(*each.relative_to(staging).parts[:2]).as_posix() for each in staging.rglob("*") if each.is_file()
    }
    came, stayed = [], []
    for name in sorted(units):
        if (home() / name).exists():
            stayed.append(name)
            continue
        make_folder((home() / name).parent)
        portable.replace(staging / name, home() / name)
        came.append(name)
    return came, stayed


def _files() -> Iterator[Path]:
    return (path for path in sorted(home().rglob("*")) if path.is_file() and not path.is_symlink())


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    # As a glob over the whole path, where "*" also stands for folders below.
    return any(fnmatchcase(name, pattern) for pattern in patterns)
