"""``python -m core submit``: Kaggle's submission.csv for the patches of a folder that have no label."""

import sys
from pathlib import Path

from core.commands import options
from core.commands.output import progress_line
from core.commands.predict import predictor_of
from core.data import Dataset, open_dataset
from core.data.decisions import NONE
from core.scoring.job import SubmissionJob
from core.scoring.kaggle import score_test, submission
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
@options.job
def command(
    data: str,
    out: Path,
    sample: Path | None,
    bundles: tuple[Path, ...],
    study: str | None,
    device: str,
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
    dataset = _open(data)
    scores = score_test(predictor_of(bundles, study, device=device), dataset, progress=progress_line("Predicting"))
    text = submission(scores, dataset, sample=sample)
    atomic.write_text(out, text)
    print(f"{len(text.splitlines()) - 1:,} ids in {out}, checked.", file=sys.stderr)
    return 0


def _open(data: str) -> Dataset:
    # A submission names every patch that came without a label, whatever people decided about it since.
    return open_dataset(data, decisions=NONE)
