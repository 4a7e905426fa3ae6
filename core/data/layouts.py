"""Which data set a folder holds, by the names in it; and where it holds none, what it does hold and where to look."""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.archives import contents_of, gzipped, is_zip, lone_zip, names_in
from core.data.choices import NOTHING, Choices, choices_of
from core.data.classes import labelled
from core.data.dataset import SPLITS, Dataset, Problem
from core.data.image_files import folders_in, printable
from core.data.listing import digest_of, quick_stamp_of
from core.data.readers import LAST, MAYBE, SURE, USUAL, Given, Reader, Watched, kaggle, pcam, readers
from core.data.readers.folders import image_folders
from core.data.store import PatchStore
from core.errors import ChoiceError, DataError
from core.storage.roots import require_allowed

MOST_SECONDS = 2.0
"""After which no further folder is looked into for the data set that was meant."""

MOST = 200
"""Sub-folders that are looked into for the data set that was meant."""


@dataclass(frozen=True)
class Place:
    """A data set that was recognised, and not read.

    Attributes:
        reader: of its layout.
        given: what the reader reads.
        source: the path that opens it again; packs, decisions and choices are filed under it.
        choices: what a person chose for it.
    """

    reader: Reader
    given: Given
    source: str
    choices: Choices = NOTHING

    def files_digest(self) -> str:
        """Return what stands for the patches' files as they are now, see :func:`core.data.listing.digest_of`."""
        digest = digest_of(self.given.folder, self._watched().tracked)
        return _with(digest, self.choices.stamp("size", "mpp", "enlarge"))

    def quick_stamp(self) -> str:
        """Return what stands for the data set without every file's state, see :mod:`core.data.listing`."""
        watched = self._watched()
        stamp = quick_stamp_of(self.given.folder, tracked=watched.tracked, read=watched.read)
        return _with(stamp, self.choices.stamp())

    def _watched(self) -> Watched:
        try:
            return self.reader.watched(self.given)
        except OSError as error:
            raise DataError.unreadable(self.given.path, error) from error

    def as_dataset(
        self, table: pd.DataFrame, store: PatchStore, problems: Iterable[Problem], *, files: str, quick_stamp: str
    ) -> Dataset:
        """Return the data set of a table and its pixels, under the name and with the choices of this place."""
        return Dataset(
            Path(self.source).name,
            self.source,
            self.reader.NAME,
            table,
            store,
            tuple(problems),
            files=files,
            quick_stamp=quick_stamp,
            choices=self.choices,
        )

    def open(self) -> Dataset:
        """Read the data set from its files.

        Raises:
            ChoiceError: a person has to say something about it first.
            DataError: it cannot be read.
        """
        stamp = self.quick_stamp()  # before anything is read: what changes meanwhile is noticed the next time
        listing = labelled(self.reader.read(self.given), self.choices)
        return self.as_dataset(
            listing.table, listing.store, listing.problems, files=self.files_digest(), quick_stamp=stamp
        )


def _with(digest: str, chosen: str) -> str:
    """Return a digest together with what was chosen; without choices it is that of earlier versions."""
    return hashlib.sha256(f"{digest} {chosen}".encode()).hexdigest()[:16] if chosen else digest


def place_of(source: str | Path) -> Place:
    """Return which data set lies at a path.

    Raises:
        DataError: none that could be opened; the message says what was expected.
    """
    try:
        folder = Path(source).expanduser()
    except RuntimeError as error:  # ~name of a user who is not there
        raise DataError(f"There is no folder {source}. Check the path.") from error
    require_allowed(folder)
    if printable(str(folder)) != str(folder):  # nothing could be stored under it: JSON and addresses hold text only
        raise DataError(
            f"The path {printable(str(folder))} has characters that are not UTF-8, or control characters. Rename the "
            "folder, or make a link to it with a plain name."
        )
    try:
        if not folder.exists():
            raise DataError(f"There is no folder {folder}. Check the path.")
        inside = contents_of(folder) if is_zip(folder) else None
        found = _find(inside or folder.absolute())
    except OSError as error:
        raise DataError.unreadable(folder, error) from error
    if found is None and (packed := gzipped(folder)):
        raise ChoiceError(
            f"{_some([each.name for each in packed])} must be unpacked first: under 'Data set' in the sidebar, or with "
            f"python -m core pack --unpack {folder}",
            about="packed",
        )
    if found is None and folder.is_dir() and (archive := lone_zip(folder)):
        return place_of(archive)
    if found is None:
        raise DataError(what_is_wrong(folder, names_in(folder)))
    reader, path = found[0], found[1].resolve()
    source = str(folder.resolve() if inside else path)
    choices = choices_of(source)
    root = Path(choices.root).expanduser() if choices.root else None
    require_allowed(root or path)  # the data set may lie above what was asked for
    return Place(reader, Given(path, root), source, choices)


def _find(path: Path) -> tuple[Reader, Path] | None:
    """Return the reader for a path, and what it reads: the path, a folder above, or the one data set below.

    People choose train/ itself or a file in it, or the folder into which an archive was unpacked. Raises OSError.
    """
    # Of a file, each layout is asked for both: the labels in Kaggle's folder are no data set of their own.
    starts = [path] if path.is_dir() else [path, path.parent]
    ask = _Asked()
    if found := ask.first(SURE, starts) or _around(ask, starts[-1]) or ask.first(MAYBE, starts):
        return found
    below = list(_sure_below(ask, starts[0])) if path.is_dir() else []
    if len(below) > 1:
        raise DataError(
            f"{path} is no data set itself, but {_some([str(each) for _, each in below])} are; give one of them."
        )
    return below[0] if below else ask.first(LAST, starts)


class _Asked:
    """Readers that are asked about paths, each once: some go through all folders for their answer."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, Path], int] = {}
        self._names: dict[Path, set[str]] = {}
        self._until = time.monotonic() + MOST_SECONDS

    @property
    def is_late(self) -> bool:
        """Whether this has taken so long that no more folders should be looked into."""
        return time.monotonic() > self._until

    def first(self, least: int, paths: list[Path]) -> tuple[Reader, Path] | None:
        """Return the first reader that is so certain of one of the paths, and the path. Raises OSError."""
        asked = ((reader, path) for reader in readers() for path in paths)
        return next((each for each in asked if self._answer(*each) >= least), None)

    def _answer(self, reader: Reader, path: Path) -> int:
        if path not in self._names:
            self._names[path] = set(os.listdir(path)) if path.is_dir() else set()
        key = (reader.NAME, path)
        if key not in self._answers:
            self._answers[key] = reader.recognises(path, self._names[path])
        return self._answers[key]


def _around(ask: _Asked, folder: Path) -> tuple[Reader, Path] | None:
    """Return the data set of which a folder with images is a part, such as train/ in Kaggle's folder."""
    with suppress(OSError, DataError):  # what may not be read above is none that was meant
        for above in folder.parents[:2] if image_folders(folder) else ():
            if found := ask.first(SURE, [above]):
                inner = folder.relative_to(above).as_posix()
                tracked = [str(Path(each)) for each in found[0].watched(Given(above)).tracked]
                if any(f"{inner}/".startswith(f"{each}/") or each.startswith(f"{inner}/") for each in tracked):
                    return found
    return None


def _sure_below(ask: _Asked, folder: Path, levels: int = 2) -> Iterator[tuple[Reader, Path]]:
    """Yield the data sets among the folders in a folder and in these, by name."""
    for each in (folder / name for name in folders_in(folder, most=MOST)):
        if ask.is_late:  # of a disk full of files; its data sets have to be named
            return
        found = None
        with suppress(OSError, DataError):  # what may not be read is none of those that were meant
            found = ask.first(SURE, [each])
        if found:
            yield found
        elif levels > 1:
            yield from _sure_below(ask, each, levels - 1)


def what_is_wrong(folder: Path, names: set[str]) -> str:
    """Return the sentences on a folder or file that is no data set: what was found, and what is missing."""
    if folder.suffix.lower() == ".zip":
        return f"{folder} cannot be opened: it is no whole zip. Copy or download it again."
    if folder.is_file():
        return f"{folder} is a file that holds no patches. Give a table of patches, or the folder of a data set."
    if hint := _packed(names) or _damaged(folder, names) or _renamed(names):
        return f"{folder} holds no data set that could be opened: {hint}"
    held = f"holds {_some(sorted(map(printable, names)))} and no data set that could be opened" if names else "is empty"
    layouts = "; ".join(f"{each.EXAMPLE} ({each.NAME})" for each in USUAL)
    return f"{folder} {held}. What can be opened is, for example: {layouts}. docs/READERS.md lists all layouts."


def _packed(names: set[str]) -> str:
    """Return what to unpack, or ""."""
    zips = sorted(printable(each) for each in names if each.lower().endswith(".zip"))
    if zips:
        return f"each of {_some(zips)} can be opened itself; give the path of one."
    packed = [each for each in sorted(names) if each.lower().endswith((".tar", ".gz", ".tgz", ".7z"))]
    return f"{_some(list(map(printable, packed)))} must be unpacked first, with your archive program." if packed else ""


def _damaged(folder: Path, names: set[str]) -> str:
    """Return which Parquet file cannot be read, or ""."""
    for name in sorted(each for each in names if each.lower().endswith(".parquet"))[:MOST]:
        try:
            pq.read_metadata(folder / name)
        except (pa.ArrowException, OSError):
            return f"{printable(name)} is damaged or cut off. Download it again."
    return ""


def _renamed(names: set[str]) -> str:
    """Return which file has nearly the name that is looked for, or ""."""
    for name in sorted(names):
        stem, suffix = os.path.splitext(name.lower())
        if "label" in stem and suffix in (".csv", ".tsv", ".txt"):
            return f"{printable(name)} may hold the labels; rename it to {kaggle.LABELS_FILE}."
        if "label" in stem and suffix in (".xls", ".xlsx", ".ods"):
            return f"{printable(name)} may hold the labels; save it as CSV under the name {kaggle.LABELS_FILE}."
        split = next((split for split in SPLITS if split in stem), "")
        if suffix in (".h5", ".hdf5") and split:
            patches, labels = pcam.x_file(Path(), split).name, pcam.y_file(Path(), split).name
            if name == labels:
                return f"{labels} is there, but {patches} is missing."
            return f"for {printable(name)}: rename it to {labels if stem.endswith('_y') else patches}."
    return ""


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
