"""Open a data set by its source: ``demo`` or the path of a folder."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from core.data import kaggle, pcam
from core.data.dataset import Dataset, Problem
from core.data.decisions import apply_decisions, decisions_of
from core.data.demo_cache import open_demo
from core.data.image_files import printable
from core.data.layouts import layout_of, names_in, not_a_folder, what_is_wrong
from core.data.pack import find_pack, open_packed, settle
from core.data.pack_blocks import open_store
from core.errors import DataError, StorageError
from core.progress import Progress, no_progress

DEMO: Final = "demo"

logger = logging.getLogger("nodescope.data")
"""Says what was left out of a data set that was opened, see :meth:`core.data.Dataset.left_out`."""


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
    a file that was rewritten in place is not. What was left out is said by :data:`logger`: on a terminal by every
    command, in its log by every run and job.

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
    elif raw:
        dataset = _open(kind, folder)
    else:
        dataset = (None if fresh else open_packed(kind, folder)) or _settled(_open(kind, folder))
    if not raw:
        dataset = apply_decisions(dataset, decisions_of(dataset.source, decisions))
    if left_out := dataset.left_out():
        logger.warning("%s", left_out)
    return dataset


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
    if printable(str(folder)) != str(folder):  # nothing could be stored under it: JSON and addresses hold text only
        raise DataError(
            f"The path {printable(str(folder))} has characters that are not UTF-8, or control characters. Rename the "
            "folder, or make a link to it with a plain name."
        )
    try:
        if not folder.exists():
            raise DataError(f"There is no folder {folder}. Check the path, or use 'demo' for the synthetic demo set.")
        if not folder.is_dir():
            raise DataError(not_a_folder(folder))
        names = names_in(folder)
    except OSError as error:
        raise DataError.unreadable(folder, error) from error
    kind = layout_of(names)
    if kind is None:
        raise DataError(what_is_wrong(folder, names))
    return kind, folder.resolve()


def _open(kind: Literal["kaggle", "pcam"], folder: Path) -> Dataset:
    return kaggle.open_kaggle(folder) if kind == "kaggle" else pcam.open_pcam(folder)


def _settled(dataset: Dataset) -> Dataset:
    """Return a data set that was read from its files with the pixels of its pack, if it has one."""
    try:
        pack = settle(dataset)
    except StorageError as error:  # a home that may only be read: the data set opens, but slowly each time
        pack, problem = find_pack(dataset), Problem("pack", f"does not speed up opening. {error}", patches=0)
        dataset = replace(dataset, problems=(*dataset.problems, problem))
    return dataset if pack is None else replace(dataset, store=open_store(pack))
