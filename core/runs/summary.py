"""What a run comes to, in one row: for tables of runs and for comparing them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.bundle.bundle import read_card
from core.bundle.seen_slides import slides_in_training
from core.errors import NodescopeError
from core.evaluation import Estimate
from core.runs.flaws import flaw_sentence
from core.runs.run import Run
from core.runs.status import Status
from core.storage.record import Record


@dataclass(frozen=True)
class RunSummary(Record):
    """A run in one row.

    Attributes:
        name: the folder's name.
        path: the folder.
        state: one of :data:`core.work_folder.STATES`.
        message: why it failed or stopped, or what is damaged; else empty.
        preset: what its settings started from.
        model: its network.
        data: what it trains on.
        epochs_done: finished epochs.
        epochs: number of epochs in its settings.
        valid_auc: the best one of all epochs, not the last; None before the first.
        best_epoch: its epoch, from 1.
        valid_accuracy: the accuracy in that epoch; None before the first.
        test_auc: area under the curve on the first measured test split; None before the end.
        test_accuracy: share of right predictions on it; None before the end.
        slides_in_training: whether the slides of that split were in training too, such as "yes, as far as is known";
            empty before the end.
        flaw: what is wrong with how it validates, see :mod:`core.runs.flaws`; empty for nearly all runs.
        started: seconds since 1970 at which the run was made.
        seconds: time worked on it, in all sessions together.
        notes: what people wrote down about it.
        title: what people call it; the folder's name where they gave it none.
        tags: what people tagged it with.
        started_by: who started it; empty where nobody had to say.
    """

    name: str
    path: str
    state: str
    message: str = ""
    preset: str = ""
    model: str = ""
    data: tuple[str, ...] = ()
    epochs_done: int = 0
    epochs: int = 0
    valid_auc: float | None = None
    best_epoch: int | None = None
    valid_accuracy: float | None = None
    test_auc: Estimate | None = None
    test_accuracy: Estimate | None = None
    slides_in_training: str = ""
    flaw: str = ""
    started: float | None = None
    seconds: float = 0.0
    notes: str = ""
    title: str = ""
    tags: tuple[str, ...] = ()
    started_by: str = ""

    @property
    def given_name(self) -> str:
        """The name that people gave it; empty if none."""
        return "" if self.title == self.name else self.title


def summarise_run(run: Run) -> RunSummary:
    """Return the row of a run; of a damaged one with the sentence that says what is damaged."""
    try:
        status, config, metrics = run.status(), run.config(), run.metrics()
        notes, title, tags, by = run.notes(), run.title(), run.tags(), run.started_by()
        started = run.place("config.json").stat().st_mtime
    except NodescopeError as error:
        return RunSummary(run.name, str(run.path), "damaged", message=str(error), title=_title(run))
    aucs = metrics["valid_auc"].to_numpy(float)  # arrays, because lists of runs are long and pandas is slow at a row
    best = None if np.isnan(aucs).all() else int(np.nanargmax(aucs))
    node = run.elsewhere() if status.is_active else ""
    message, seen, test = _test_metrics(run, status)
    return RunSummary(
        name=run.name,
        path=str(run.path),
        state=status.state,
        message=message or status.message or (node and f"Running on {node}."),
        preset=config.preset,
        model=config.model,
        data=config.data,
        epochs_done=len(metrics),
        epochs=config.epochs,
        valid_auc=None if best is None else float(aucs[best]),
        best_epoch=None if best is None else int(metrics["epoch"].to_numpy()[best]),
        valid_accuracy=None if best is None else float(metrics["valid_accuracy"].to_numpy()[best]),
        test_auc=test.get("auc"),
        test_accuracy=test.get("accuracy"),
        slides_in_training=seen,
        flaw=flaw_sentence(config),
        started=started,
        seconds=status.seconds,
        notes=notes,
        title=title,
        tags=tags,
        started_by=by,
    )


def _title(run: Run) -> str:
    try:
        return run.title()
    except NodescopeError:
        return run.name


def _test_metrics(run: Run, status: Status) -> tuple[str, str, Mapping[str, Estimate]]:
    """Return what is damaged, whether the tested slides were in training, and the metrics of the first test split."""
    if status.state != "finished":
        return "", "", {}
    try:
        card = read_card(run.bundle_path)
    except NodescopeError as error:
        return str(error), "", {}
    tested = next((each for each in card.measured if each.split == "test"), None)
    return ("", "", {}) if tested is None else ("", slides_in_training(card, tested), tested.evaluation.metrics)


def titles(records: Sequence[RunSummary]) -> list[str]:
    """Return what each run is called, with its folder where two are called alike."""
    count = Counter(each.title for each in records)
    return [each.title if count[each.title] == 1 else f"{each.title} ({each.name})" for each in records]


def differing_settings(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Return the settings in which runs differ: name (``augmentation.stain`` for a nested one) and a value a run.

    Raises:
        NodescopeError: the settings of a run are missing or damaged.
    """
    flat = [_flat(run.config().to_json()) for run in runs]
    names = list(dict.fromkeys(name for settings in flat for name in settings))
    # A nested setting, such as an argument of the network, may be missing in some of the runs.
    rows = {name: [settings.get(name) for settings in flat] for name in names}
    return {name: values for name, values in rows.items() if any(value != values[0] for value in values)}


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat.update({f"{name}.{inner}": item for inner, item in value.items()})
        else:
            flat[name] = value
    return flat
