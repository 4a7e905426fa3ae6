"""Kaggle's submission in a process of its own: predict ``test/``, check the ids, leave ``submission.csv``."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data import Dataset
from core.job import Job, JobStatus
from core.prediction.ensemble import Ensemble
from core.prediction.predictor import Predictor
from core.progress import Progress
from core.scoring.chunks import ChunkCache
from core.scoring.kaggle_test import rows_of_test, score_test, submission
from core.storage import atomic
from core.storage.home import home


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

    def partial(self, dataset: Dataset, *, device: str) -> ChunkCache:
        """Return where the chunks of an unfinished attempt are or will be; `device` is the kind, "cpu" or "cuda"."""
        return ChunkCache.of(self.path / "chunks", rows_of_test(dataset), stamp=dataset.stamp(), device=device)

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
        """Predict, check and store in this process, and return the last word; it goes on where a cancelled one ended.

        Raises:
            NodescopeError: it failed, such as for an id that has no patch.
        """
        first = predictor.members[0] if isinstance(predictor, Ensemble) else predictor
        keep = self.partial(dataset, device=first.device.type)

        def what(report: Progress) -> None:
            scores = score_test(predictor, dataset, keep=keep, progress=report)
            atomic.write_text(self.text_path, submission(scores, dataset))
            keep.forget()

        return self.work(what)
