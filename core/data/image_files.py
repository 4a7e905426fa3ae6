"""The image files of a folder by patch id, and what else lies there."""

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.data.dataset import Problem
from core.errors import DataError
from core.storage.roots import is_allowed

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".webp")
"""Of image files; of several files of one id, the one whose suffix stands first here is taken."""

MOST_FOLDERS = 100
"""Sub-folders that are looked into, to say where images lie that are not read."""


@dataclass
class ImageFiles:
    """What lies in a folder.

    Attributes:
        taken: id -> path, sorted by id. Paths are text: 220,025 objects of type Path would take longer than reading the
            folder.
        refused: id -> why the entry of that name cannot be a patch, such as a link that leads nowhere.
        others: stem -> name of what has no suffix of an image.
        nested: stem -> path from the folder on of an image in a sub-folder.
        is_there: whether there is such a folder.
    """

    taken: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    nested: dict[str, str] = field(default_factory=dict)
    is_there: bool = True


def find_images(folder: Path, problems: list[Problem]) -> ImageFiles:
    """Look through a folder; what cannot be a patch goes to `problems`, but for images in sub-folders.

    Raises:
        DataError: it is there and cannot be read.
    """
    found = ImageFiles()
    # Sorted, because the order of rows must not depend on the file system.
    try:
        with os.scandir(folder) as scanned:
            entries = sorted((entry for entry in scanned if not entry.name.startswith(".")), key=lambda each: each.name)
    except FileNotFoundError:
        return ImageFiles(is_there=False)
    except OSError as error:
        raise DataError.unreadable(folder, error) from error
    place, folders = os.path.join(folder, ""), 0
    for entry in entries:
        patch_id, suffix = os.path.splitext(entry.name)
        if suffix.lower() not in SUFFIXES:
            if not is_folder(entry):
                found.others[patch_id] = printable(entry.name)
            elif entry.name != "__MACOSX" and (folders := folders + 1) <= MOST_FOLDERS:
                found.nested |= {stem: f"{printable(entry.name)}/{name}" for stem, name in _images_in(entry.path)}
            continue
        why = _why_not(entry)
        if why:
            found.refused[printable(patch_id)] = why
            name = f"{folder.name}/{printable(entry.name)}"
            problems.append(Problem(name, f"excluded: it {why}", kind="that are no file to be read"))
            continue
        other = found.taken.get(patch_id)
        if other is not None:
            other = os.path.basename(other)
            kept, left = (other, entry.name) if _rank(other) <= _rank(entry.name) else (entry.name, other)
            problems.append(Problem(patch_id, f"{folder.name}/{left} is excluded: {kept} is used", patches=0))
            if kept == other:
                continue
        found.taken[patch_id] = place + entry.name
    return found


def printable(name: str) -> str:
    """Return a file's name as it can be printed and stored: bytes that are not UTF-8, and controls, become U+FFFD."""
    return name if name.isprintable() else "".join("\ufffd" if _is_odd(letter) else letter for letter in name)


def folders_in(folder: Path, *, most: int | None = None) -> list[str]:
    """Return the names of the folders in a folder that can be printed, sorted; none where it cannot be read."""
    if not is_allowed(folder):
        return []
    try:
        with os.scandir(folder) as entries:
            found = (each.name for each in entries if not each.name.startswith(".") and is_folder(each))
            return sorted(name for name in found if printable(name) == name)[:most]
    except OSError:
        return []


def is_image(name: str) -> bool:
    """Whether a file is an image that is not hidden, by its name."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def is_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether an entry is a folder, as far as the system tells."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_odd(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs")  # bytes that are no UTF-8 come as lone surrogates, Cs


def _why_not(entry: "os.DirEntry[str]") -> str:
    """Return why an entry with the name of an image is no patch, or "" where it may be one."""
    if printable(entry.name) != entry.name:
        return "has a name that is not UTF-8 or has control characters; rename it"
    try:
        if entry.is_file():
            return ""
    except OSError as error:  # a link that leads to itself, or to where we may not go
        return f"cannot be read: {error.strerror}" + ("" if not entry.is_symlink() else "; it is a link")
    if entry.is_symlink() and not os.path.exists(entry.path):
        return "is a link that leads nowhere"
    return "is a folder" if is_folder(entry) else "is no file"


def _images_in(folder: str) -> Iterator[tuple[str, str]]:
    """Yield stem and name of each image in a sub-folder."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(printable(entry.name) for entry in entries if is_image(entry.name))
    except OSError:  # this only helps to say what is wrong
        return
    yield from ((os.path.splitext(name)[0], name) for name in names)


def _rank(name: str) -> int:
    return SUFFIXES.index(os.path.splitext(name)[1].lower())
