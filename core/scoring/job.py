"""Work on a model's predictions in a process of its own: scores over a data set, and Kaggle's submission."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.bundle.bundle import Bundle
from core.data import Dataset
from core.job import REPORT_SECONDS, Job, JobStatus
from core.prediction.ensemble import Ensemble, first_member
from core.prediction.predictor import Predictor
from core.progress import Progress
from core.scoring.chunks import ChunkCache
from core.scoring.kaggle import rows_of_test, score_test, submission
from core.scoring.store import score_and_store, scores_path
from core.storage import atomic
from core.storage.home import home


@dataclass(frozen=True)
class ScoreJob(Job):
    """A folder in which a process scores a split of a data set, beside the predictions that it will leave."""

    @classmethod
    def of(cls, bundle: Bundle, dataset: Dataset, split: str) -> "ScoreJob":
        """Return the job for a bundle, a data set and a split; there is one place for each."""
        return cls(scores_path(bundle, dataset, split).with_suffix(".job"))

    def start(self, *, source: str, bundle: Path, split: str, device: str = "auto") -> None:
        """Start a detached process; return at once. `source` is "demo" or a path, `bundle` a file.

        Raises:
            RunError: a process is at work already.
            StorageError: the folder cannot be written.
        """
        self.launch(["evaluate", "--data", source, "--bundle", str(bundle), "--subset", split, "--device", device])

    def run(self, predictor: Predictor, dataset: Dataset, split: str) -> JobStatus:
        """Score and store in this process and return the last status; the next job continues a cancelled one.

        Raises:
            NodescopeError: it failed.
        """
        # Named here, so that the constant is read at each run and not once with the default of `work`.
        return self.work(
            lambda report: score_and_store(predictor, dataset, split, progress=report), every=REPORT_SECONDS
        )


@dataclass(frozen=True)
class SubmissionJob(Job):
    """A folder in which a process makes a submission, ``submissions/<models and data>`` under the home folder."""

    @classmethod
    def of(cls, digests: Sequence[str], dataset: Dataset) -> "SubmissionJob":
        """Return the job for bundles with these digests and a data set as it is now; there is one place for each."""
        content = "\n".join([*sorted(digests), dataset.fingerprint(), dataset.stamp()])
        return cls(home() / "submissions" / hashlib.sha256(content.encode()).hexdigest()[:16])

    @property
    def text_path(self) -> Path:
        """Where the checked submission is, once the job is finished."""
        return self.path / "submission.csv"

    def partial(self, dataset: Dataset, *, device: str) -> ChunkCache:
        """Return where the chunks of an unfinished attempt are or will be; `device` is :attr:`Predictor.kind`."""
        return ChunkCache.of(self.path / "chunks", rows_of_test(dataset), stamp=dataset.stamp(), device=device)

    def start(self, *, source: str, bundles: Sequence[Path], device: str = "auto") -> None:
        """Start a detached process; return at once. Several `bundles`, files, predict as one.

        Raises:
            RunError: a process is at work already.
            StorageError: the folder cannot be written.
        """
        named = [argument for path in bundles for argument in ("--bundle", str(path))]
        self.launch(["submit", "--data", source, *named, "--device", device])

    def run(self, predictor: Predictor | Ensemble, dataset: Dataset) -> JobStatus:
        """Predict, check and store in this process and return the last status; a cancelled job is continued.

        Raises:
            NodescopeError: it failed, such as for an id that has no patch.
        """
        keep = self.partial(dataset, device=first_member(predictor).kind)

        def what(report: Progress) -> None:
            scores = score_test(predictor, dataset, keep=keep, progress=report)
            atomic.write_text(self.text_path, submission(scores, dataset))
            keep.forget()

        return self.work(what)
