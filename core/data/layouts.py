"""Which data set a folder holds, by the names in it; and where it holds none, what it does hold and where to look."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from core.data import kaggle, pcam
from core.data.dataset import SPLITS
from core.data.image_files import is_image, printable

MOST = 200
"""Sub-folders that are looked into for the data set that was meant."""

EXPECTED = (
    "a Kaggle folder (train_labels.csv beside train/ID.tif) nor a PCam folder (camelyonpatch_level_2_split_train_x.h5 "
    "and its like)"
)


def names_in(folder: Path) -> set[str]:
    """Return the names in a folder. Raises OSError."""
    return set(os.listdir(folder))


def layout_of(names: Iterable[str]) -> Literal["kaggle", "pcam"] | None:
    """Return the layout of a folder with these names, or None if it is no data set."""
    found = set(names)
    if kaggle.LABELS_FILE in found:
        return "kaggle"
    return "pcam" if any(pcam.x_file(Path(), split).name in found for split in SPLITS) else None


def not_a_folder(path: Path) -> str:
    """Return the sentence on a file, or something else, that was given in place of a folder."""
    above = _nearest_above(path)
    right = f"the folder that holds it, {above}" if above else "the folder that holds train/ and train_labels.csv"
    return f"{path} is a file; give {right}."


def what_is_wrong(folder: Path, names: set[str]) -> str:
    """Return the sentences on a folder that is no data set: which is the right one, or what is missing."""
    above = _nearest_above(folder)
    if above is not None:
        return f"{folder} is one folder of the data set in {above}; give that folder, {above}."
    below = [str(each) for each in _below(folder) if layout_of(_names(each))]
    if below:
        which = "that folder" if len(below) == 1 else "one of them"
        return f"{folder} is no data set itself, but {_some(below)} {'is' if len(below) == 1 else 'are'}; give {which}."
    hint = _packed(names) or _renamed(names)
    if hint:
        return f"{folder} is neither {EXPECTED}: {hint}"
    classes = _class_folders(folder)
    if classes:
        example = f"{classes[0].name}/{next(_images(classes[0]))}"
        return (
            f"{classes[0].parent} holds a folder for each class ({_some([f'{each.name}/' for each in classes])}, with "
            f"{example}), which is not read. Move the images into one folder train/ and write beside it "
            f"{kaggle.LABELS_FILE} with the columns id (a file's name without its suffix) and label (1 for tumour, "
            "0 for normal)."
        )
    parts = sorted({"train", "test"} & names)
    if parts:
        return (
            f"{folder} holds {', '.join(parts)}, but no {kaggle.LABELS_FILE} with the columns id and label. Put it "
            "beside them; the competition's archive has it."
        )
    images = sorted(filter(is_image, names))
    if images:
        return (
            f"{folder} holds {len(images):,} images, such as {printable(images[0])}, but no labels. Move them into "
            f"{folder / 'train'} and write {folder / kaggle.LABELS_FILE} with the columns id and label."
        )
    return f"{folder} is neither {EXPECTED}; it holds {_some(sorted(map(printable, names)))}."


def _nearest_above(path: Path) -> Path | None:
    """Return the nearest of two folders above that is a data set: people often choose train/ itself."""
    return next((each for each in path.absolute().parents[:2] if layout_of(_names(each))), None)


def _below(folder: Path) -> Iterator[Path]:
    """Yield the folders in a folder and in these, by name: an archive is often unpacked into one of its own."""
    first = list(_folders(folder))
    yield from first
    for each in first[:MOST]:
        yield from _folders(each)


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(each.name for each in entries if not each.name.startswith(".") and _is_folder(each))[:MOST]
    except OSError:  # this only helps to say what is wrong
        return []
    return [folder / name for name in found]


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir() and printable(entry.name) == entry.name
    except OSError:
        return False


def _names(folder: Path) -> set[str]:
    try:
        return names_in(folder)
    except OSError:
        return set()


def _packed(names: set[str]) -> str:
    """Return what to unpack, or ""."""
    packed = [each for each in sorted(names) if each.lower().endswith((".gz", ".zip", ".tar", ".tgz", ".7z"))]
    known = ("camelyonpatch", "histopathologic", "train", "test", "pcam")
    packed = [each for each in packed if each.lower().startswith(known)]
    how = "gunzip" if packed and packed[0].lower().endswith(".h5.gz") else "your archive program"
    return f"{_some(list(map(printable, packed)))} must be unpacked first, with {how}." if packed else ""


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


def _class_folders(folder: Path) -> list[Path]:
    """Return sub-folders that hold images, of the folder or of its train/, where there are two or more."""
    for place in (folder / "train", folder):
        found = [each for each in _folders(place) if each.name not in ("train", "test") and next(_images(each), "")]
        if len(found) > 1:
            return found
    return []


def _images(folder: Path) -> Iterator[str]:
    return (printable(name) for name in sorted(_names(folder)) if is_image(name))


def _some(names: list[str]) -> str:
    if not names:
        return "nothing"
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
