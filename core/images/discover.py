"""Finding the patches in files, folders and zips, in a stable order, and saying what could not be taken.

Nothing is decoded here and no image is kept in memory: a found patch knows how to read its bytes when they
are wanted, so a folder of 57,458 files costs its names only.

Order: the arguments in the given order; in a folder its files by name, then its sub-folders by name; in a
zip the members by name.

Ids: the file's stem, as in Kaggle's ``id.tif``. Where two stems are the same, all files that share it are
distinguished by their path from the argument on (``a__x`` and ``b__x``), if necessary with the suffix (``x.png``
and ``x.tif``), and finally by a number (``x (2)``). An id is one harmless file-name component: path
separators, control characters and characters that file systems reserve never get into it.

Silently skipped inside folders and zips: hidden files, ``__MACOSX``, and what is plainly no image
(``.csv``, ``.txt``, ...). Everything else is a patch to try: whether it is an image is judged by its content
when it is decoded. A file that is named outright is always tried.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from zipfile import ZipInfo

from core.errors import PatchError, Problem
from core.images.formats import kind_of
from core.images.limits import MIB, Limits
from core.images.names import display_name, id_choices, is_hidden, is_no_image, unique_ids
from core.images.zips import Archive, ArchiveError, os_reason
from core.storage.portable import opened_at_once


@dataclass(frozen=True)
class PatchFile:
    """One image that was found and can be read.

    Attributes:
        id: Unique within one call, usable as a file name; Kaggle's id for Kaggle's files.
        name: What to show the user: the path within the folder or zip that was named.
        read: Gives the file's bytes; raises PatchError ("name: sentence") when it is gone, too large or
            damaged.
    """

    id: str
    name: str
    read: Callable[[], bytes] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Found:
    """The patches in their stable order, and what could not be taken."""

    files: list[PatchFile]
    problems: list[Problem]


def find_patches(paths: Sequence[str | Path], *, limits: Limits = Limits()) -> Found:  # noqa: B008 (frozen)
    """Find the patches in files, folders (with their sub-folders) and zips.

    Args:
        paths: Files, folders and zips; a zip inside a folder has to be named itself.
        limits: What is read at most.

    Returns:
        What was found, with ids that are unique over all paths, and one problem for each thing that could
        not be used: a missing path, an empty or locked folder, a damaged, encrypted or oversized zip.
    """
    search = _Search(limits)
    for path in paths:
        search.path(Path(path))
    return search.result()


def patches_in_memory(files: Sequence[tuple[str, bytes]], *, limits: Limits = Limits()) -> Found:  # noqa: B008
    """Find the patches in uploaded files, images and zips mixed: (name, content) pairs in the given order.

    A name with slashes is of a file in an uploaded folder, and gives the name and id that the folder's path would.
    """
    search = _Search(limits)
    for name, data in files:
        path = PurePosixPath(name.replace("\\", "/"))
        parts = [part for part in path.parts if part not in ("..", "/")]
        search.content(parts[0] if len(parts) > 1 else "", PurePosixPath(*(parts[1:] or parts)), data)
    return search.result()


def read_file(path: Path, name: str, max_bytes: int = Limits.max_file_bytes) -> bytes:
    """Return the bytes of one file.

    Raises:
        PatchError: "name: why": it is gone, larger than `max_bytes`, or may not be read.
    """
    try:
        with open(path, "rb", opener=opened_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise PatchError(f"{name}: This is neither a file nor a folder; replace it by an image.")
            data = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise PatchError(f"{name}: {os_reason(error)}") from error
    if len(data) > max_bytes:
        raise PatchError(f"{name}: {_too_large(max_bytes)}")
    return data


def _read_member(archive: Archive, member: ZipInfo, name: str) -> bytes:
    try:
        return archive.read(member)
    except ArchiveError as error:
        raise PatchError(f"{name}: {error}") from error


class _Search:
    """Collects what is found over several arguments; ids are given at the end, when all names are known."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._found: list[tuple[tuple[str, str, str], str, Callable[[], bytes]]] = []
        self._problems: list[Problem] = []

    def result(self) -> Found:
        ids = unique_ids([choices for choices, _, _ in self._found])
        files = [PatchFile(id_, name, read) for id_, (_, name, read) in zip(ids, self._found, strict=True)]
        return Found(files, self._problems)

    def path(self, path: Path) -> None:
        shown = display_name(str(path))
        try:
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                self._folder(path, shown)
            elif stat.S_ISREG(mode):
                self._named_file(path)
            else:
                self._problem(shown, "This is neither a file nor a folder; name an image, a folder or a zip.")
        except (OSError, ValueError) as error:  # ValueError: a null character in the path
            self._problem(shown, os_reason(error))

    def content(self, folder: str, inner: PurePosixPath, data: bytes) -> None:
        name = display_name(str(inner))
        if _is_zip(name, data):
            self.archive(data, name)
        elif len(data) > self._limits.max_file_bytes:
            self._problem(name, _too_large(self._limits.max_file_bytes))
        else:
            self._add(folder, PurePosixPath(name), name, lambda: data)

    def archive(self, data: bytes | Path, name: str) -> None:
        try:
            archive = Archive(data, limits=self._limits)
        except ArchiveError as error:
            self._problem(name, str(error))
            return
        self._problems += [Problem(f"{name}/{member}" if member else name, why) for member, why in archive.refused]
        for path, member in archive.members:
            shown = f"{name}/{display_name(str(path))}"
            self._add(PurePosixPath(name).stem, path, shown, partial(_read_member, archive, member, shown))
        if not archive.members and not archive.refused:
            self._problem(name, "There is no image in this zip; put TIFF, PNG, JPEG or WebP files into it.")

    def _named_file(self, path: Path) -> None:
        name = display_name(path.name)
        with open(path, "rb", opener=opened_at_once) as file:
            start = file.read(8)
        if _is_zip(name, start):
            self.archive(path, name)
        else:
            inner = PurePosixPath(path.name)
            read = partial(read_file, path, name, self._limits.max_file_bytes)
            self._add(path.absolute().parent.name, inner, name, read)

    def _folder(self, folder: Path, shown: str) -> None:
        before = len(self._found), len(self._problems)
        for path in _walk(folder, self._locked, self._linked):
            inner = PurePosixPath(path.relative_to(folder).as_posix())
            name = display_name(str(inner))
            if path.suffix.lower() == ".zip":
                self._problem(name, "This zip lies inside a folder; name it itself to have it read.")
            else:
                read = partial(read_file, path, name, self._limits.max_file_bytes)
                self._add(folder.absolute().name, inner, name, read)
        if before == (len(self._found), len(self._problems)):
            self._problem(shown, "There is no image in this folder; name one with TIFF, PNG, JPEG or WebP files.")

    def _locked(self, error: OSError) -> None:
        self._problem(display_name(str(error.filename)), os_reason(error))

    def _linked(self, path: Path) -> None:
        reason = "This folder is a link, which may lead back here, and is not followed; name it itself."
        self._problem(display_name(str(path)), reason)

    def _add(self, argument: str, inner: PurePosixPath, name: str, read: Callable[[], bytes]) -> None:
        self._found.append((id_choices(argument, inner), name, read))

    def _problem(self, name: str, reason: str) -> None:
        self._problems.append(Problem(name, reason))


def _walk(folder: Path, locked: Callable[[OSError], None], linked: Callable[[Path], None]) -> Iterator[Path]:
    """Files that may be images, a folder's own before its sub-folders'; linked folders are named and not followed."""
    for root, folders, files in os.walk(folder, onerror=locked):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in folders:
            if os.path.islink(os.path.join(root, name)):
                linked(Path(root, name))
        for name in sorted(files):
            path = Path(root, name)
            if not is_hidden(name) and not is_no_image(name) and _may_be_read(path):
                yield path


def _may_be_read(path: Path) -> bool:
    """Skip pipes and devices, which could block; a broken link is reported when it is read."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def _is_zip(name: str, start: bytes) -> bool:
    return kind_of(start) == "a zip archive" or name.lower().endswith(".zip")


def _too_large(max_bytes: int) -> str:
    return f"The file is larger than {max_bytes / MIB:,.0f} MiB, the most that is read; cut the patch out first."
