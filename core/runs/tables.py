"""The tables of a run directory: what its training wrote down, row by row."""

import io
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from core.errors import RunError, StorageError
from core.runs.described import Described
from core.storage import atomic, portable

METRICS_COLUMNS = (
    "epoch",
    "train_loss",
    "valid_loss",
    "valid_auc",
    "valid_accuracy",
    "learning_rate",
)
"""Columns of ``metrics.csv``; losses are mean binary cross-entropy in nats."""

STEPS = ("step", "loss")
"""Columns of ``steps.csv``: the last of the steps, counted over all epochs from 1, and their mean training loss."""

SPEED = ("epoch", "patches_per_second")
"""Columns of ``speed.csv``. It stands apart because it differs from time to time, and ``metrics.csv`` must not."""

PATCHES = ("epoch", "id", "label", "probability")
"""Columns of ``patches.csv``; the probability is the network's own, before calibration."""


class Tables(Described):
    """A work folder with the tables of a training."""

    def metrics(self) -> pd.DataFrame:
        """Return a row for each finished epoch, with the columns :data:`METRICS_COLUMNS`."""
        return self._table("metrics.csv", METRICS_COLUMNS)

    def steps(self) -> pd.DataFrame:
        """Return the training loss of every few steps, with the columns :data:`STEPS`; none of earlier versions."""
        return self._table("steps.csv", STEPS)

    def append_steps(self, rows: list[dict[str, float]]) -> None:
        """Add rows to ``steps.csv``. Raises :class:`StorageError`."""
        path = self.place("steps.csv")
        table = pd.DataFrame(rows, columns=list(STEPS))
        try:
            with path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(table.to_csv(index=False, header=not file.tell(), lineterminator="\n"))
        except OSError as error:
            raise StorageError(f"{path} could not be written: {error.strerror}. Free some space and resume.") from error

    def keep_steps(self, last: int) -> None:
        """Drop the losses of the steps after `last`, which a run that goes on takes again, and what is unreadable."""
        if not (self.path / "steps.csv").exists():
            return
        try:
            table = self.steps()
        except RunError:  # a curve that is lost, and nothing that the run depends on
            table = pd.DataFrame(columns=list(STEPS))
        self._write_table("steps.csv", table[table["step"] <= last], STEPS)

    def speed(self) -> pd.DataFrame:
        """Return the throughput in each finished epoch, with the columns :data:`SPEED`."""
        return self._table("speed.csv", SPEED)

    def patches(self) -> pd.DataFrame:
        """Return the tracked patches after each finished epoch, with the columns :data:`PATCHES`."""
        return self._table("patches.csv", PATCHES)

    def write_metrics(self, rows: list[dict[str, float]]) -> None:
        """Replace ``metrics.csv``."""
        self._write_table("metrics.csv", rows, METRICS_COLUMNS)

    def write_speed(self, rows: list[dict[str, float]]) -> None:
        """Replace ``speed.csv``."""
        self._write_table("speed.csv", rows, SPEED)

    def write_patches(self, rows: list[dict[str, Any]]) -> None:
        """Replace ``patches.csv``."""
        self._write_table("patches.csv", rows, PATCHES)

    def _write_table(self, name: str, rows: list[dict[str, Any]] | pd.DataFrame, columns: tuple[str, ...]) -> None:
        table = pd.DataFrame(rows, columns=list(columns))
        atomic.write_text(self.place(name), table.to_csv(index=False, lineterminator="\n"))

    def _table(self, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
        """Return a table; empty before it is written. Raises :class:`RunError` if it is damaged."""
        try:
            text = portable.read_text(self.path / name)
            if columns == STEPS:  # to its last whole line: whoever appends may be in the middle of one, or died there
                text = text[: text.rfind("\n") + 1] or ",".join(columns)
            table = pd.read_csv(io.StringIO(text))
        except FileNotFoundError:
            return pd.DataFrame(columns=list(columns))
        except (OSError, ValueError) as error:  # pandas' errors are ValueErrors
            raise self.damaged(name, str(error)) from error
        if not set(columns) <= set(table.columns):
            raise self.damaged(name, f"its columns are {', '.join(table.columns)}")
        words = [column for column in columns if column != "id" and not is_numeric_dtype(table[column])]
        if not len(table):
            return table
        if words:
            raise self.damaged(name, f"{words[0]} holds something else than numbers")
        if not np.isfinite(table[columns[0]]).all():
            raise self.damaged(name, f"a row does not say its {columns[0]}")
        return table
