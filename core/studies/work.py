"""The work of a study: its process trains what is left of the runs, one after the other."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.data import Dataset
from core.errors import NodescopeError, RunError
from core.job import Cancelled, JobStatus
from core.progress import Progress
from core.runs.config import TrainingConfig
from core.runs.run import Run, create_run
from core.runs.status import Status
from core.storage.home import runs_home
from core.studies.study import Study

if TYPE_CHECKING:
    from core.training.trainer import AfterEpoch


def work_on(study: Study, what: Callable[[Progress], object]) -> JobStatus:
    """Do the work of a study in this process, and return the last status, which is on disk too.

    Args:
        study: what is worked on.
        what: gets the function to which it reports the finished share between two runs.

    Raises:
        RunError: another process works on it.
        NodescopeError: it failed.
    """
    lock = study.lock()
    try:
        return study.work(what, every=0.0, is_locked=True)
    except NodescopeError:
        raise  # it has been written down
    except KeyboardInterrupt:
        study.write(JobStatus("cancelled"))
        raise
    except BaseException as error:
        study.write(JobStatus("failed", message=f"{type(error).__name__}: {error}"))
        raise
    finally:
        lock.release()


def train_run(
    study: Study, name: str, config: TrainingConfig, *, after_epoch: "AfterEpoch" = lambda _rows: None
) -> tuple[Run, Status]:
    """Train one run of a study in this process, from where it was left; a finished one is kept as it is.

    Raises:
        Cancelled: somebody requested the end of the study.
        NodescopeError: the run failed, or is another one than that.
    """
    from core.training.execute import execute  # it takes a second to import, and only the process of a study trains

    if study.stop_requested():
        raise Cancelled
    run = _made(name, config)
    status = run.status()
    if status.state == "finished":
        return run, status
    if run.is_alive() and status.is_active:
        raise RunError(f"The run {name} is being worked on by another process; resume the study when that has ended.")
    run.withdraw_stop()
    run.record_process(os.getpid())  # from here on a request to stop reaches the run
    if study.stop_requested():
        raise Cancelled
    return run, execute(run, after_epoch=after_epoch)


def finished_runs(
    study: Study, plan: Sequence[tuple[str, str, TrainingConfig]], report: Progress, notify: Callable[[str], None]
) -> Iterator[Run]:
    """Train what is left of the runs that a study plans, one after the other, and yield each when it is finished.

    Args:
        study: whose runs they are.
        plan: a line of text on each run, its name, and its settings.
        report: receives the share of finished runs.
        notify: gets the line before the run is trained.

    Raises:
        Cancelled: somebody requested the end of the study or of the run in work.
        NodescopeError: a run failed.
    """
    for number, (line, name, config) in enumerate(plan):
        report(number / len(plan))
        notify(line)
        run, status = train_run(study, name, config)
        if status.state != "finished":
            raise Cancelled
        yield run


def units_of(dataset: Dataset, ids: pd.Series) -> np.ndarray | None:
    """Return the :attr:`core.data.Dataset.unit` of patches, text (N,), or None where there is none."""
    if dataset.unit is None:
        return None
    units: np.ndarray = ids.map(dataset.table.set_index("id")[dataset.unit]).to_numpy()
    return units


def _made(name: str, config: TrainingConfig) -> Run:
    """Return the run of that name, made now if it is not there yet."""
    path = runs_home() / name
    if (path / "config.json").is_file():
        run = Run(path)
        if run.config() != config:
            raise RunError(f"The run {name} has other settings than its study gave it; move it away and resume.")
        return run
    if path.is_dir() and all(each.name == "status.json" or each.name.startswith(".") for each in path.iterdir()):
        shutil.rmtree(path)  # its maker was killed before the settings were written
    return create_run(config, path)
