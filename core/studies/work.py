"""The work of a study: its process trains what is left of the runs, or has them trained by others."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.cluster import Piece, Where, carry_out
from core.data import Dataset
from core.errors import NodescopeError, RunError
from core.job import Cancelled, JobStatus
from core.progress import Progress
from core.runs.config import TrainingConfig
from core.runs.run import Run, create_run
from core.runs.status import Status
from core.storage.home import runs_home
from core.studies.progress import progress_of
from core.studies.study import Study

if TYPE_CHECKING:
    from core.training.trainer import AfterEpoch


def work_on(study: Study, what: Callable[[Progress], object]) -> JobStatus:
    """Do the work of a study in this process, and return the last status, which is on disk too.

    Raises:
        RunError: another process works on it.
        NodescopeError: it failed.
    """
    lock = study.lock()
    try:
        status = study.work(what, is_locked=True)
        progress = progress_of(study)
        if status.state == "cancelled" and progress.done == progress.total:
            study.withdraw_stop()  # it came when there was nothing left to stop: only the result is missing
            status = study.work(what, is_locked=True)
        return status
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


def train_piece(*, study: Path, name: str, config: dict[str, Any], progress: Progress) -> None:
    """Train one run of a study: a piece of it, see :class:`core.cluster.Piece`.

    Raises:
        Cancelled: somebody requested the end of the study or of the run.
        NodescopeError: the run failed.
    """
    settings = TrainingConfig.from_json(config)
    if train_run(Study(study), name, settings, after_epoch=stopping(progress, settings.epochs))[1].state != "finished":
        raise Cancelled


def stopping(progress: Progress, epochs: int) -> "AfterEpoch":
    """Return what reports the share of a run after each epoch, and stops the run where that is answered so."""
    from core.training.trainer import Stopped

    def after_epoch(rows: Sequence[Mapping[str, float]]) -> None:
        try:
            progress(min(len(rows) / epochs, 1.0))
        except Cancelled as error:
            raise Stopped from error

    return after_epoch


def piece_of(study: Study, name: str, call: Callable[..., Any], **arguments: Any) -> Piece:
    """Return the piece of a study that trains the run of that name."""

    def share() -> float:
        try:
            return Run(runs_home() / name).status().progress
        except RunError:  # it is not there yet
            return 0.0

    return Piece(name, study.path / "claims" / name, call, {"study": study.path, "name": name, **arguments}, share)


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
    study: Study,
    plan: Sequence[tuple[str, str, TrainingConfig]],
    report: Progress,
    notify: Callable[[str], None],
    where: Where,
) -> Iterator[Run]:
    """Train what is left of the runs that a study plans and yield them in their order, each when it is finished.

    Args:
        study: whose runs they are.
        plan: a line of text on each run, its name, and its settings.
        report: receives the share of finished runs.
        notify: gets the line before the run is trained.
        where: the runs are trained.

    Raises:
        Cancelled: somebody requested the end of the study or of the run in work.
        NodescopeError: a run failed.
    """
    pieces = [piece_of(study, name, train_piece, config=config.to_json()) for _, name, config in plan]
    lines, finished, yielded = {name: line for line, name, _ in plan}, set[str](), 0
    with where.pool(study.config().device) as pool:
        ended = carry_out(
            pool, pieces, progress=report, begin=lambda piece: notify(lines[piece.name]),
            stop=lambda _pieces: study.request_stop(),
        )  # fmt: skip
        for piece, outcome in ended:
            outcome.result()
            finished.add(piece.name)
            while yielded < len(pieces) and pieces[yielded].name in finished:
                yield Run(runs_home() / pieces[yielded].name)
                yielded += 1


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
