"""Kaggle's submission in a process of its own: predict ``test/``, check the ids, leave ``submission.csv``."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core import atomic
from core.data import Dataset
from core.home import home
from core.job import Job, JobStatus, Report
from core.prediction.ensemble import Ensemble
from core.prediction.kaggle_kit import score_test, submission
from core.prediction.predictor import Predictor


@dataclass(frozen=True)
class SubmissionJob(Job):
    """A folder in which a process makes a submission, ``submissions/<models and data>`` under the home folder."""

    @classmethod
    def of(cls, digests: Sequence[str], dataset: Dataset) -> "SubmissionJob":
        """Return the job for bundles with these digests and a data set as it is now; there is one place for each."""
        told = "\n".join([*sorted(digests), dataset.fingerprint(), dataset.stamp()])
        return cls(home() / "submissions" / hashlib.sha256(told.encode()).hexdigest()[:16])

    @property
    def text_path(self) -> Path:
        """Where the checked submission is, once the job is finished."""
        return self.path / "submission.csv"

    def start(self, *, source: str, bundles: Sequence[Path], device: str = "auto") -> None:
        """Start a detached process; return at once.

        Args:
            source: of the data set, a path.
            bundles: one file, or several that are asked as one.
            device: "auto", "cpu" or "cuda".

        Raises:
            RunError: a process is at work already.
            StorageError: the folder cannot be written.
        """
        named = [word for path in bundles for word in ("--bundle", str(path))]
        self.launch(["submit", "--data", source, *named, "--device", device])

    def run(self, predictor: Predictor | Ensemble, dataset: Dataset) -> JobStatus:
        """Predict, check and store in this process, and return the last word.

        Raises:
            NodescopeError: it failed, such as for an id that has no patch.
        """

        def what(report: Report) -> None:
            atomic.write_text(self.text_path, submission(score_test(predictor, dataset, progress=report), dataset))

        return self.work(what)
