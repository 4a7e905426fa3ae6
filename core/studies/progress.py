"""How far a study is, from the states of its runs."""

from dataclasses import dataclass

from core.errors import NodescopeError
from core.job import JobStatus
from core.runs.run import Run
from core.runs.status import Status
from core.studies.study import Study


@dataclass(frozen=True)
class StudyProgress:
    """How far a study is.

    Attributes:
        status: of its process.
        done: runs that need no more work.
        total: all of them.
        at_work: the runs in work.
        share: 0 to 1, the run in work counted by its own progress.
    """

    status: JobStatus
    done: int
    total: int
    at_work: tuple[Run, ...]
    share: float


def progress_of(study: Study) -> StudyProgress:
    """Return how far a study is. Raises :class:`RunError` if a file of it is damaged."""
    names, settled = study.run_names(), set((study.results() or {}).get("settled", ()))
    done, share, at_work = 0, 0.0, list[Run]()
    for run in study.runs():
        status = _status(run)
        if status.state == "finished" or run.name in settled:
            done, share = done + 1, share + 1
        else:
            share += status.progress
            at_work += [run] if status.is_active else []
    return StudyProgress(study.status(), done, len(names), tuple(at_work), share / max(1, len(names)))


def _status(run: Run) -> Status:
    try:
        return run.status()
    except NodescopeError as error:
        return Status(state="damaged", message=str(error))
