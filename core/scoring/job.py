"""Scoring in a process of its own: a :class:`core.job.Job` beside the predictions that it will leave.

See :mod:`core.scoring.store` for where that is.
"""

from dataclasses import dataclass
from pathlib import Path

from core.bundle.bundle import Bundle
from core.data import Dataset
from core.job import REPORT_SECONDS, Cancelled, Job, JobStatus
from core.prediction.predictor import Predictor
from core.progress import Progress
from core.scoring.store import score_and_store, scores_path

__all__ = ["REPORT_SECONDS", "Cancelled", "JobStatus", "ScoreJob"]


@dataclass(frozen=True)
class ScoreJob(Job):
    """A folder in which a process scores a part of a data set."""

    @classmethod
    def of(cls, bundle: Bundle, dataset: Dataset, part: str) -> "ScoreJob":
        """Return the job for a bundle, a data set and a part; there is one place for each."""
        return cls(scores_path(bundle, dataset, part).with_suffix(".job"))

    def start(self, *, source: str, bundle: Path, part: str, device: str = "auto") -> None:
        """Start a detached process; return at once.

        Args:
            source: of the data set: "demo" or a path.
            bundle: the bundle's file.
            part: see :func:`core.scoring.dataset.select`.
            device: "auto", "cpu" or "cuda".

        Raises:
            RunError: a process is at work already.
            StorageError: the folder cannot be written.
        """
        self.launch(["evaluate", "--data", source, "--bundle", str(bundle), "--subset", part, "--device", device])

    def run(self, predictor: Predictor, dataset: Dataset, part: str) -> JobStatus:
        """Score and store in this process, and return the last word; the next one goes on where a cancelled one ended.

        Raises:
            NodescopeError: it failed.
        """

        def what(report: Progress) -> None:
            score_and_store(predictor, dataset, part, progress=report)

        return self.work(what, every=REPORT_SECONDS)
