"""One trial of a search: trained anywhere, and written down where it ended."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import TrainingError
from core.job import Cancelled
from core.progress import Progress
from core.runs.config import TrainingConfig
from core.runs.run import Run
from core.storage import atomic
from core.studies.search_memory import axes_of, suggest, view_of
from core.studies.study import Study
from core.studies.work import stopping, train_run
from core.training.trainer import Stopped

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def train_trial(
    *, study: Path, number: int, name: str, values: dict[str, Any], history: "list[FrozenTrial]", progress: Progress
) -> None:
    """Train one trial and write down how it ended: a piece of a search, see :class:`core.cluster.Piece`.

    Whether it is pruned is decided from its history, the rounds before, so that it does not matter who is faster.

    Raises:
        Cancelled: somebody requested the end of the study or of the run.
        NodescopeError: the run cannot be worked on.
    """
    home = Study(study)
    if (home.path / ended(number)).is_file():
        return
    config, view = home.config(), view_of(home, history, number)
    view.enqueue_trial(values)
    trial = view.ask()
    for axis in axes_of(home):
        suggest(trial, axis)
    pruned, on_epoch = False, stopping(progress, config.epochs)

    def after_epoch(rows: Sequence[Mapping[str, float]]) -> None:
        nonlocal pruned
        for row in rows:
            epoch = int(row["epoch"])
            if epoch not in view.trials[number].intermediate_values:
                trial.report(row["valid_auc"], epoch)
                pruned = epoch < config.epochs and trial.should_prune()
        if pruned:
            raise Stopped(
                f"Pruned after epoch {len(rows)}: its validation AUC was behind that of the other trials of "
                f"{home.name}. Resume it to train it to its end nevertheless."
            )
        on_epoch(rows)

    message, auc = "", None
    try:
        run, status = train_run(home, name, config.with_changes(**values), after_epoch=after_epoch)
    except TrainingError as error:
        state, message = "FAIL", str(error)
    else:
        if status.state != "finished" and not pruned:
            raise Cancelled
        state, auc = "PRUNED" if pruned else "COMPLETE", _auc(run, config)
    aucs = list(view.trials[number].intermediate_values.values()) if auc is None else aucs_of(run)
    attributes = {key: value for key, value in view.trials[number].system_attrs.items() if key != "fixed_params"}
    about = {"state": state, "auc": auc, "aucs": aucs, "attributes": attributes, "message": message}
    atomic.write_json(home.path / ended(number), about)


def ended(number: int) -> str:
    """Return where a trial's end is noted, under the folder of the study."""
    return f"trials/{number + 1:03}.json"


def aucs_of(run: Run) -> list[float]:
    """Return the validation AUC of each epoch that is trained, also before there is a run."""
    metrics = run.metrics()
    return [] if metrics.empty else [float(value) for value in metrics["valid_auc"]]


def _auc(run: Run, config: TrainingConfig) -> float:
    column = run.metrics()["valid_auc"]
    return float(column.max() if config.keep == "best" else column.iloc[-1])
