"""Open a data set by its source: ``demo`` or the path of a folder."""

from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from core.data import kaggle, pcam
from core.data.dataset import SPLITS, Dataset, Problem
from core.data.decisions import apply_decisions, decisions_of
from core.data.demo_cache import open_demo
from core.data.pack import find_pack, open_packed, settle
from core.data.pack_blocks import open_store
from core.errors import DataError, StorageError
from core.progress import Progress, no_progress

DEMO: Final = "demo"


def open_dataset(
    source: str | Path,
    *,
    progress: Progress = no_progress,
    raw: bool = False,
    fresh: bool = False,
    decisions: str | Path | None = None,
) -> Dataset:
    """Open the data set at `source`: ``"demo"``, a Kaggle folder, or a folder with PCam's HDF5 files.

    Its pixels come from its pack, where there is one of the files as they are now. Decisions are applied: excluded
    patches are dropped, relabelled ones have the other label. A packed folder is opened by its quick stamp, see
    :func:`core.data.listing.quick_stamp_of`: files that were added, removed or renamed and edited labels are noticed,
    a file that was rewritten in place is not.

    Args:
        source: ``"demo"`` or a folder.
        progress: receives the finished share while the demo is generated for the first time.
        raw: take the files themselves, with neither pack nor decisions.
        fresh: read the state of every file, which also notices those rewritten in place; seconds for 100,000 files.
        decisions: a file to apply instead of the data set's own, or "none", see :mod:`core.data.decisions`.

    Example:
        >>> dataset = open_dataset("demo")
        >>> pixels = read(dataset.store, [0, 1])

    Raises:
        DataError: nothing is there that could be opened; the message says what was expected.
    """
    kind, folder = recognise(source)
    if kind == DEMO:
        dataset = open_demo(progress=progress)
        return dataset if raw else apply_decisions(dataset, decisions_of(dataset.source, decisions))
    if raw:
        return _open(kind, folder)
    dataset = (None if fresh else open_packed(kind, folder)) or _settled(_open(kind, folder))
    return apply_decisions(dataset, decisions_of(dataset.source, decisions))


def recognise(source: str | Path) -> tuple[Literal["demo", "kaggle", "pcam"], Path]:
    """Return what lies at `source`, "demo", "kaggle" or "pcam", and its folder, without opening it.

    Raises:
        DataError: nothing is there that could be opened; the message says what was expected.
    """
    if str(source).strip() == DEMO:
        return DEMO, Path(DEMO)
    try:
        folder = Path(source).expanduser()
    except RuntimeError as error:  # ~name of a user who is not there
        raise DataError(f"There is no folder {source}. Check the path, or use 'demo' for the demo set.") from error
    try:
        if not folder.exists():
            raise DataError(f"There is no folder {folder}. Check the path, or use 'demo' for the synthetic demo set.")
        if not folder.is_dir():
            raise DataError(f"{folder} is a file; give the folder that holds train/ and train_labels.csv.")
        names = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}. Check its permissions.") from error
    if kaggle.LABELS_FILE in names:
        return "kaggle", folder.resolve()
    if any(pcam.x_file(folder, split).name in names for split in SPLITS):
        return "pcam", folder.resolve()
    if (folder.parent / kaggle.LABELS_FILE).is_file():  # people often choose train/ itself
        raise DataError(f"{folder} is one folder of a Kaggle data set; give the folder above it, {folder.parent}.")
    if {"train", "test"} & names:
        raise DataError(
            f"{folder} holds {_listing({'train', 'test'} & names)}, but no {kaggle.LABELS_FILE} with the columns id "
            "and label. Put it beside them; the competition's archive has it."
        )
    raise DataError(
        f"{folder} is neither a Kaggle folder (train_labels.csv beside train/ID.tif) nor a PCam folder "
        f"(camelyonpatch_level_2_split_train_x.h5 and its like); it holds {_listing(names)}."
    )


def _open(kind: Literal["kaggle", "pcam"], folder: Path) -> Dataset:
    return kaggle.open_kaggle(folder) if kind == "kaggle" else pcam.open_pcam(folder)


def _settled(dataset: Dataset) -> Dataset:
    """Return a data set that was read from its files with the pixels of its pack, if it has one."""
    try:
        pack = settle(dataset)
    except StorageError as error:  # a home that may only be read: the data set opens, but slowly each time
        pack, problem = find_pack(dataset), Problem("pack", f"does not speed up opening. {error}")
        dataset = replace(dataset, problems=(*dataset.problems, problem))
    return dataset if pack is None else replace(dataset, store=open_store(pack))


def _listing(names: set[str]) -> str:
    if not names:
        return "nothing"
    shown = sorted(names)[:3]
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
