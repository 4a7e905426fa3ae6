"""Zips of data sets, and PatchCamelyon's .h5.gz: unpacked once, on request, and opened as folders from then on."""

import gzip
import hashlib
import os
import shutil
import zipfile
import zlib
from pathlib import Path

from filelock import FileLock

from core.data.pack_blocks import SPARE, pack_folder
from core.errors import ChoiceError, DataError, StorageError
from core.formatting import file_size
from core.progress import Progress, no_progress
from core.storage import portable
from core.storage.home import make_folder

PIECE = 2**20

_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, gzip.BadGzipFile)
"""What is raised on damaged, encrypted and unusually packed archives."""


def is_zip(path: Path) -> bool:
    """Whether a path is a zip, which a NumPy archive is too, under another name."""
    return path.is_file() and path.suffix.lower() == ".zip" and zipfile.is_zipfile(path)


def contents_of(path: Path) -> Path:
    """Return the folder in which a zip was unpacked.

    Raises:
        ChoiceError: it was not, or has changed since.
        DataError: it is damaged.
    """
    place = _place(path)
    if place.is_dir():
        return place
    files = _files_of(path)
    size = file_size(sum(each.file_size for each in files))
    raise ChoiceError(
        f"{path} holds {len(files):,} files ({size} unpacked). Unpack it into Nodescope's folder: under 'Data set' in "
        f"the sidebar, or with python -m core pack --unpack {path}",
        about="packed",
    )


def names_in(folder: Path) -> set[str]:
    """Return the names in a folder; none where it is none or cannot be read."""
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def lone_zip(folder: Path) -> Path | None:
    """Return the only zip in a folder, as it was downloaded into a folder of its own; None where there is no such."""
    zips = [each for each in names_in(folder) if each.lower().endswith(".zip") and not each.startswith(".")]
    return folder / zips[0] if len(zips) == 1 and zips[0].isprintable() else None


def gzipped(folder: Path) -> list[Path]:
    """Return the .h5.gz files of a folder that are not unpacked beside themselves."""
    names = names_in(folder)
    return [
        folder / name for name in sorted(names) if name.endswith(".h5.gz") and name.removesuffix(".gz") not in names
    ]


def unpack(path: Path, *, progress: Progress = no_progress) -> None:
    """Unpack a zip (or the only one in a folder) into Nodescope's folder, or .h5.gz files beside themselves.

    Args:
        path: what is packed; nothing happens where it is unpacked already.
        progress: receives the finished share; what it ends by raising leaves nothing behind.

    Raises:
        DataError: an archive is damaged or encrypted.
        StorageError: the disk is full or may not be written.
    """
    try:
        archive = path if path.is_file() else None if gzipped(path) else lone_zip(path)
        folder = pack_folder(str((archive or path).resolve()))
        make_folder(folder)
        with FileLock(folder / "unpack.lock"):  # of two that want it at once the second waits, and finds it done
            if archive is not None and is_zip(archive):
                _unzip(archive, progress)
            packed = gzipped(path)
            for number, each in enumerate(packed):
                _gunzip(each, lambda share, number=number: progress((number + share) / len(packed)))
    except _DAMAGE as error:
        raise DataError(f"{path.name} cannot be unpacked ({error}). Copy or download it again.") from error
    except OSError as error:
        raise StorageError(f"{path.name} cannot be unpacked: {error.strerror or error}.") from error
    progress(1.0)


def _place(path: Path) -> Path:
    stat = path.stat()
    stamp = hashlib.sha256(f"{stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:12]
    return pack_folder(str(path.resolve())) / f"unpacked-{stamp}"


def _files_of(path: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [each for each in archive.infolist() if not each.is_dir() and "__MACOSX" not in each.filename]
    except _DAMAGE as error:
        raise DataError(f"{path.name} is damaged ({error}). Copy or download it again.") from error


def _unzip(path: Path, progress: Progress) -> None:
    place, files = _place(path), _files_of(path)
    if place.is_dir():
        return
    total = sum(each.file_size for each in files)
    _check_room(place.parent, total, path)
    for old in place.parent.glob("unpacked-*"):  # of the zip as it was before, or of an attempt that was killed
        shutil.rmtree(old)
    temporary = place.with_name(f"{place.name}.part")
    try:
        done = 0
        with zipfile.ZipFile(path) as archive:
            for each in files:
                archive.extract(each, temporary)  # which keeps roots, drives and ".." out of the path
                done += each.file_size
                progress(min(0.99, done / max(total, 1)))
        portable.replace(temporary, place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _gunzip(path: Path, progress: Progress) -> None:
    temporary, size = path.with_suffix(".part"), path.stat().st_size
    if size < 18:  # header and end (RFC 1952)
        raise EOFError("it is cut off")
    with path.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        _check_room(path.parent, int.from_bytes(file.read(4), "little"), path)  # modulo 4 GiB
    try:
        with path.open("rb") as packed, gzip.open(packed) as source, temporary.open("wb") as target:
            while piece := source.read(PIECE):
                target.write(piece)
                progress(min(0.99, packed.tell() / size))
        portable.replace(temporary, path.with_suffix(""))
    finally:
        temporary.unlink(missing_ok=True)


def _check_room(folder: Path, needed: int, path: Path) -> None:
    free = portable.free_space(folder)
    if free < needed + SPARE:
        raise StorageError(
            f"{path.name} needs {file_size(needed)} at {folder}, and {file_size(free)} are free. Free some space, or "
            "set NODESCOPE_HOME to another disk."
        )
