"""``python -m core submit``: Kaggle's submission.csv for the patches of a folder that have no label."""

import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.cluster import Where
from core.commands import options
from core.commands.output import progress_line
from core.commands.predict import predictor_of
from core.data import Dataset, open_dataset
from core.data.decisions import NONE
from core.prediction import Predictor
from core.prediction.engine import WORDS
from core.prediction.ensemble import Ensemble, first_member
from core.progress import Progress
from core.scoring.chunks import ChunkCache, predict_rows
from core.scoring.job import SubmissionJob
from core.scoring.kaggle import rows_of_test, score_test, submission
from core.scoring.shards import fill
from core.storage import atomic


@options.command("submit")
@options.data(metavar="DIR", help="Kaggle's folder, with test/.")
@options.out("Where to write.", metavar="CSV", default=Path("submission.csv"))
@options.option(
    "--sample", type=options.PATH, metavar="CSV", help="sample_submission.csv.", show_default="that of the folder"
)
@options.bundle(several=True)
@options.study
@options.device
@options.engine
@options.cluster
@options.job
def command(
    data: str,
    out: Path,
    sample: Path | None,
    bundles: tuple[Path, ...],
    study: str | None,
    device: str,
    where: Where,
    job: Path | None,
) -> int:
    """Predict the patches of test/ with a bundle or all folds of a cross-validation, and write id,label.

    The file has exactly the ids of sample_submission.csv, in their order. Nothing is written if an id has no patch or a
    patch has no id.
    """
    if job is not None:
        return options.as_job(
            SubmissionJob(job), lambda job: job.run(predictor_of(bundles, study, device=device), _open(data))
        )
    options.check_folder(out)
    told = {"data": data, "bundles": bundles, "study": study, "device": device}
    predictor, dataset, keep = _opened(**told)
    line = progress_line("Predicting")
    if not where.is_here:
        fill(keep, len(rows_of_test(dataset)), predict_shard, told, where=where, progress=line)
    scores = score_test(predictor, dataset, keep=None if where.is_here else keep, progress=line)
    text = submission(scores, dataset, sample=sample)
    atomic.write_text(out, text)
    if not where.is_here:
        keep.forget()
    by = WORDS.get(first_member(predictor).kind)
    print(
        f"{len(text.splitlines()) - 1:,} ids in {out}, checked." + (f" Predicted by {by}." if by else ""),
        file=sys.stderr,
    )
    return 0


def predict_shard(*, span: tuple[int, int], progress: Progress, **told: Any) -> None:
    """Predict some of the patches into the chunk cache: a piece, see :func:`core.scoring.shards.fill`."""
    predictor, dataset, keep = _opened(**told)
    rows = rows_of_test(dataset)
    predict_rows(predictor, dataset, rows, value="probabilities", keep=keep, span=span, progress=progress)


@lru_cache(maxsize=1)
def _opened(
    data: str, bundles: tuple[Path, ...], study: str | None, device: str
) -> tuple[Predictor | Ensemble, Dataset, ChunkCache]:
    predictor, dataset = predictor_of(bundles, study, device=device), _open(data)
    members = predictor.members if isinstance(predictor, Ensemble) else (predictor,)
    job = SubmissionJob.of([each.bundle.digest for each in members], dataset)
    return predictor, dataset, job.partial(dataset, device=members[0].kind)


def _open(data: str) -> Dataset:
    # A submission names every patch that came without a label, whatever people decided about it since.
    return open_dataset(data, decisions=NONE)
