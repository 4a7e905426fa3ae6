"""Training a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from core.data import Dataset
from core.display import SERIES
from core.reports.chart_theme import empty_chart
from core.runs import Run, create_run
from core.runs import preset as preset_of
from core.training.execute import execute
from nodescope.predicting import Model, load


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        run: its folder, which the viewer shows among the others.
    """

    run: Run

    @property
    def model(self) -> Model:
        """The model that came of it, on the device of the training. Raises :class:`BundleError`."""
        return load(self.run.bundle_path, device=self.run.config().device)

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each epoch: losses, AUC and other metrics of validation."""
        return self.run.metrics()

    def plot(self) -> go.Figure:
        """Return the losses of training and validation over the epochs."""
        table = self.to_frame()
        figure = empty_chart("Loss", x="epoch", y="cross-entropy", legend="above")
        for number, (column, name) in enumerate((("train_loss", "training"), ("valid_loss", "validation"))):
            figure.add_scatter(x=table["epoch"], y=table[column], name=name, line_color=SERIES[number])
        return figure


def train(
    data: Dataset | str | Path | Sequence[str | Path],
    *,
    preset: str = "quick",
    folder: str | Path | None = None,
    **settings: Any,
) -> Trained:
    """Train a model in this process, to its end. Ctrl+C stops it; `nodescope train --run-dir DIR --resume` goes on.

    Args:
        data: what to learn from; the first of several validates.
        preset: the settings to start from, such as "quick" or "transfer".
        folder: of the run; by default one among those of the viewer.
        **settings: what to change of the preset, such as ``epochs=5`` or ``split="slide"``; see
            ``core.runs.TrainingConfig``.

    Raises:
        ConfigError: a setting is out of its range.
        DataError: the data cannot be used.
        TrainingError: the training failed; the sentence says why.
    """
    sources = [data] if isinstance(data, (Dataset, str, Path)) else data
    names = tuple(each.source if isinstance(each, Dataset) else _absolute(each) for each in sources)
    run = create_run(preset_of(preset).with_changes(data=names, **settings), None if folder is None else Path(folder))
    execute(run)
    return Trained(run)


def _absolute(source: str | Path) -> str:
    return str(source) if str(source) == "demo" else str(Path(source).expanduser().resolve())
