"""Runs whose data lies in another folder than when they began."""

import os
from collections.abc import Sequence
from pathlib import Path

from core.data import DEMO, open_dataset
from core.data.open import recognise
from core.errors import RunError
from core.runs.run import Run
from core.storage import atomic


def missing_data(run: Run) -> list[str]:
    """Return the folders and files of data that the run names and that are not there."""
    return [source for source in run.config().data if source != DEMO and not Path(source).exists()]


def move_data(run: Run, sources: Sequence[str]) -> None:
    """Let a run go on with its data in another place, if it is the same data.

    Nothing may work on it; `sources` are all of its data sets, in their order.

    Raises:
        RunError: there are more or fewer than the run has, one holds other patches or labels, or a process works on it.
        DataError: one is no data set.
    """
    config = run.config()
    if len(sources) != len(config.data):
        raise RunError(
            f"The run {run.name} has {len(config.data)} data set{'s' if len(config.data) > 1 else ''} "
            f"({', '.join(config.data)}), got {len(sources)} new place{'s' if len(sources) > 1 else ''}. Name all of "
            "them, in that order."
        )
    path = run.path / "config.json"
    with run.lock():
        places = tuple(
            _checked(run, number, source, fingerprint)
            for number, (source, fingerprint) in enumerate(zip(sources, _fingerprints(run), strict=True))
        )
        made = path.stat()
        atomic.write_json(run.place(path.name), config.with_changes(data=places).to_json())
        # The age of the file is that of the run.
        os.utime(path, ns=(made.st_atime_ns, made.st_mtime_ns))


def _fingerprints(run: Run) -> list[str | None]:
    """Return what the run wrote down about the patches and labels of each data set; None before it has begun."""
    known = run.understood("data.json", lambda: [str(each["fingerprint"]) for each in run.sources()])
    return [*known] or [None] * len(run.config().data)


def _checked(run: Run, number: int, source: str, fingerprint: str | None) -> str:
    decisions = run.path / f"decisions-{number}.csv"
    dataset = open_dataset(source, decisions=decisions if decisions.is_file() else None)
    if fingerprint is not None and dataset.fingerprint() != fingerprint:
        counts = dataset.class_counts()
        raise RunError(
            f"{source} holds other data than the run {run.name} was begun with: {len(dataset):,} patches, "
            f"{counts[1]:,} tumour and {counts[0]:,} normal, whose ids or labels differ. A run goes on with the same "
            "patches only; start a new one."
        )
    return recognise(source)
