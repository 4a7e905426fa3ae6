"""``python -m core submit``: Kaggle's submission.csv for the patches of a folder that have no label."""

import argparse
import sys
from pathlib import Path
from typing import Any

from core.commands.options import add_device, check_folder, progress_line
from core.commands.predict import predictor_of
from core.data import open_dataset
from core.errors import NodescopeError
from core.job import JobStatus
from core.scoring.kaggle_job import SubmissionJob
from core.scoring.kaggle_test import score_test, submission
from core.storage import atomic


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "submit",
        help="Kaggle's submission.csv, checked, from a bundle or all folds of a cross-validation",
        description="Predict the patches of test/ and write id,label with exactly the ids of sample_submission.csv, in "
        "their order. Nothing is written where an id has no patch or a patch has no id.",
    )
    parser.add_argument("--data", required=True, metavar="DIR", help="Kaggle's folder, with test/")
    parser.add_argument("--out", type=Path, default=Path("submission.csv"), metavar="CSV", help="default: %(default)s")
    parser.add_argument(
        "--sample", type=Path, metavar="CSV", help="sample_submission.csv; default: the one in the folder, if any"
    )
    parser.add_argument(
        "--bundle", type=Path, action="append", metavar="FILE", help="given more than once, the mean of all"
    )
    parser.add_argument("--study", metavar="NAME", help="the bundles of all folds of a cross-validation, as one")
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    add_device(parser)
    parser.set_defaults(run=run_submit)


def run_submit(arguments: argparse.Namespace) -> int:
    """Write the submission and return 0."""
    if arguments.job is not None:
        return _run_job(arguments)
    check_folder(arguments.out)
    dataset = open_dataset(arguments.data)
    scores = score_test(predictor_of(arguments), dataset, progress=progress_line("Predicting"))
    text = submission(scores, dataset, sample=arguments.sample)
    atomic.write_text(arguments.out, text)
    print(f"{len(text.splitlines()) - 1:,} ids in {arguments.out}, checked.", file=sys.stderr)
    return 0


def _run_job(arguments: argparse.Namespace) -> int:
    job = SubmissionJob(arguments.job)
    try:
        return 0 if job.run(predictor_of(arguments), open_dataset(arguments.data)).state == "finished" else 1
    except NodescopeError as error:
        job.write(JobStatus("failed", message=str(error)))
        raise
