"""The metrics of each epoch, logged to TensorBoard or MLflow too by the trackers of accelerate.

Neither package is needed otherwise; it is looked for when a run asks for it.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from accelerate import tracking

from core.errors import ConfigError
from core.runs.config import TrainingConfig
from core.runs.run import Run
from core.storage import atomic

EXPERIMENT = "nodescope"
"""Name of the experiment in MLflow; MLFLOW_EXPERIMENT_NAME and MLFLOW_TRACKING_URI say otherwise."""


class Tracker:
    """Logs the metrics of a run's epochs to the tracker that its settings name, or to none.

    Args:
        run: TensorBoard's files go to its folder ``tensorboard``; of MLflow it keeps the id in ``mlflow.txt``, so that
            a resumed run goes on in the same place.
        config: the settings.

    Raises:
        ConfigError: the package is not installed.
    """

    def __init__(self, run: Run, config: TrainingConfig):
        self._tracker: Any = None
        if config.tracker == "none":
            return
        if find_spec(config.tracker) is None:
            raise ConfigError(
                f"tracker is {config.tracker}, and its package is not installed. Run: pip install {config.tracker}; or "
                "train without --tracker."
            )
        is_new = not run.checkpoint_path.exists()
        self._tracker = _tensorboard(run) if config.tracker == "tensorboard" else _mlflow(run)
        if is_new:
            # As text, because TensorBoard's hyperparameters may not be lists or tables.
            self._tracker.store_init_configuration({name: str(value) for name, value in config.to_json().items()})

    def log(self, row: Mapping[str, float]) -> None:
        """Log a row of ``metrics.csv``."""
        if self._tracker is not None:
            values = {name: value for name, value in row.items() if name != "epoch"}
            self._tracker.log(values, step=int(row["epoch"]))

    def finish(self) -> None:
        """Write what has not been written."""
        if self._tracker is not None:
            self._tracker.finish()


def _tensorboard(run: Run) -> Any:
    tracker = tracking.TensorBoardTracker("tensorboard", run.path)
    tracker.start()
    return tracker


def _mlflow(run: Run) -> Any:
    place = run.path / "mlflow.txt"
    known = place.read_text("utf-8").strip() if place.is_file() else None
    tracker = tracking.MLflowTracker(EXPERIMENT, run_id=known, run_name=run.name)
    tracker.start()
    atomic.write_text(run.place(place.name), str(tracker.tracker.info.run_id))
    return tracker
