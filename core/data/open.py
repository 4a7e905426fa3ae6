"""Open a data set by its source: ``demo`` or the path of a folder."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Final

from core.data.dataset import Dataset, Problem
from core.data.decisions import apply_decisions, decisions_of
from core.data.demo_cache import open_demo
from core.data.layouts import place_of
from core.data.pack import find_pack, open_packed, settle
from core.data.pack_blocks import open_store
from core.errors import StorageError
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
    if str(source).strip() == DEMO:
        dataset = open_demo(progress=progress)
    elif raw:
        dataset = place_of(source).open()
    else:
        place = place_of(source)
        dataset = (None if fresh else open_packed(place)) or _settled(place.open())
    if not raw:
        dataset = apply_decisions(dataset, decisions_of(dataset.source, decisions))
    if left_out := dataset.left_out():
        logger.warning("%s", left_out)
    return dataset


def recognise(source: str | Path) -> str:
    """Return the source of the data set at `source`, a folder in or above it, without opening it.

    Raises:
        DataError: nothing is there that could be opened; the message says what was expected.
    """
    if str(source).strip() == DEMO:
        return DEMO
    return place_of(source).source


def _settled(dataset: Dataset) -> Dataset:
    """Return a data set that was read from its files with the pixels of its pack, if it has one."""
    try:
        pack = settle(dataset)
    except StorageError as error:  # a home that may only be read: the data set opens, but slowly each time
        pack, problem = find_pack(dataset), Problem("pack", f"does not speed up opening. {error}", patches=0)
        dataset = replace(dataset, problems=(*dataset.problems, problem))
    return dataset if pack is None else replace(dataset, store=open_store(pack))
