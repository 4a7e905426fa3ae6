"""The metrics of each epoch, told to a tracker too: any of those that accelerate knows, such as wandb or TensorBoard.

None of their packages is needed otherwise; one is looked for when a run asks for it.
"""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from operator import attrgetter
from typing import Any

from accelerate import PartialState
from accelerate.tracking import LOGGER_TYPE_TO_CLASS

from core.errors import ConfigError
from core.runs.config import TrainingConfig
from core.runs.run import Run
from core.storage import atomic

PROJECT = "nodescope"
"""What a tracker calls all runs together; the variables of its own, such as MLFLOW_EXPERIMENT_NAME, say otherwise."""

_IDS = {"mlflow": "info.run_id", "wandb": "id", "aim": "hash", "comet_ml": "id", "clearml": "id", "swanlab": "id"}
"""Where a tracker keeps the name by which a resumed run finds its place again; the others go by the run's own."""

_OPTIONS: dict[str, Callable[[Run, str | None], dict[str, Any]]] = {
    "mlflow": lambda run, known: {"run_id": known, "run_name": run.name},
    "wandb": lambda run, known: {"id": known, "name": run.name, "dir": str(run.path), "resume": "allow"},
    "trackio": lambda run, _: {"name": run.name, "resume": "allow"},
    "aim": lambda _, known: {"run_hash": known} if known else {},
    "comet_ml": lambda _, known: {"experiment_key": known} if known else {},
    "clearml": lambda run, known: {"task_name": run.name, "continue_last_task": known or False},
    "dvclive": lambda run, known: {"dir": str(run.path / "dvclive"), "resume": known is not None},
    "swanlab": lambda run, known: {
        "experiment_name": run.name, "logdir": str(run.path / "swanlog"),
        **({"id": known, "resume": "allow"} if known else {}),
    },
}  # fmt: skip
"""What a tracker is told of the run, in its own words: its name, its folder, and that it goes on."""


class Tracker:
    """Logs the metrics of a run's epochs to the tracker that its settings name, or to none.

    Args:
        run: files of a tracker go to its folder; the tracker's own name for the run is kept there, such as in
            ``mlflow.txt``, so that a resumed run goes on in the same place.
        config: the settings.

    Raises:
        ConfigError: the package is not installed, or the tracker does not start.
    """

    def __init__(self, run: Run, config: TrainingConfig):
        self._tracker: Any = None
        name = config.tracker
        if name == "none":
            return
        if find_spec(name) is None:
            raise ConfigError(
                f"tracker is {name}, and its package is not installed. Run: pip install {name}; or train without "
                "--tracker."
            )
        is_new = not run.checkpoint_path.exists()
        try:
            self._tracker = _started(name, run)
            if is_new:
                # As text, because TensorBoard's hyperparameters may not be lists or tables.
                self._tracker.store_init_configuration({key: str(value) for key, value in config.to_json().items()})
        except Exception as error:  # each tracker fails in its own way, such as without an account
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ConfigError(
                f"The tracker {name} did not start: {reason}. See its own guide (many ask to log in once, or have an "
                "offline mode), or train without --tracker."
            ) from error

    def log(self, row: Mapping[str, float]) -> None:
        """Log a row of ``metrics.csv``."""
        if self._tracker is not None:
            values = {name: value for name, value in row.items() if name != "epoch"}
            self._tracker.log(values, step=int(row["epoch"]))

    def finish(self) -> None:
        """Write what has not been written."""
        if self._tracker is not None:
            self._tracker.finish()


def _started(name: str, run: Run) -> Any:
    note = run.path / f"{name}.txt"
    known = note.read_text("utf-8").strip() if note.is_file() else None
    kind: Any = LOGGER_TYPE_TO_CLASS[name]
    # TensorBoard takes the name for that of a folder, and has always had this one.
    project = name if name == "tensorboard" else PROJECT
    place = (run.path,) if kind.requires_logging_directory else ()
    PartialState()  # what accelerate's own log asks for
    options = _OPTIONS[name](run, known) if name in _OPTIONS else {}
    tracker = kind(project, *place, **options)
    tracker.start()
    atomic.write_text(run.place(note.name), str(attrgetter(_IDS[name])(tracker.tracker) if name in _IDS else run.name))
    return tracker
