"""Names of files from elsewhere: made safe to show and to use as ids, and those that are plainly no image."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from core.formatting import printable
from core.storage.portable import file_name

# fmt: off
_NO_IMAGE_SUFFIXES = frozenset({
    ".csv", ".tsv", ".txt", ".md", ".rst", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini",
    ".cfg", ".log", ".html", ".htm", ".css", ".js", ".py", ".pyc", ".ipynb", ".sh", ".bat", ".r",
    ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt", ".ods", ".h5", ".hdf5", ".npy", ".npz",
    ".pt", ".pth", ".pkl", ".safetensors", ".parquet", ".db", ".sqlite", ".lock", ".part", ".tmp",
    ".bak", ".lnk", ".url",
})
# fmt: on
_NO_IMAGE_NAMES = frozenset({"readme", "license", "licence", "makefile", "thumbs.db", "desktop.ini"})


def display_name(name: str) -> str:
    """Make a name safe to show, at most 500 characters long.

    Control, direction-changing and undecodable characters become U+FFFD.
    """
    return printable(name[:500])


def is_hidden(name: str) -> bool:
    """Whether a file or folder name is hidden or is macOS's resource folder."""
    return name.startswith(".") or name == "__MACOSX"


def is_no_image(name: str) -> bool:
    """Whether a file is plainly no image, by its name alone."""
    lower = name.lower()
    return lower in _NO_IMAGE_NAMES or PurePosixPath(lower).suffix in _NO_IMAGE_SUFFIXES


def id_choices(argument: str, inner: PurePosixPath) -> tuple[str, str, str]:
    """Return the ids a file may get: the stem, the path in the argument, and that with the argument and the suffix.

    Args:
        argument: The name of the folder or zip that was given; of a file that was given, the folder it lies in.
        inner: The path from there to the file.
    """
    folders = [part for part in inner.parent.parts if part not in ("..", "/")]
    within = _component("__".join([*folders, inner.stem]))
    full = [argument, *folders, inner.name] if argument not in ("", "..") else [*folders, inner.name]
    return _component(inner.stem), within, _component("__".join(full))


def unique_ids(choices: Sequence[tuple[str, str, str]]) -> list[str]:
    """Choose an id for each file, the shortest that no other file has; only the names and their order matter."""
    ids = [each[0] for each in choices]
    for step in (1, 2):
        shared = {id_ for id_, count in Counter(ids).items() if count > 1}
        ids = [each[step] if id_ in shared else id_ for id_, each in zip(ids, choices, strict=True)]
    # " (2)", " (3)", ... for the second and later files of one id, never an id that another file has.
    taken, given, result = set(ids), set[str](), []
    # The last number of each id: to begin at 2 again would take quadratic time, minutes for a zip with one name.
    last = dict.fromkeys(taken, 1)
    for id_ in ids:
        chosen = id_
        while chosen in given or (chosen != id_ and chosen in taken):
            last[id_] += 1
            chosen = f"{id_} ({last[id_]})"
        given.add(chosen)
        result.append(chosen)
    return result


def _component(text: str) -> str:
    """Make one harmless file-name component: no separators, reserved or unprintable characters."""
    return file_name(text) or "patch"
