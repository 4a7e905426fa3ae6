"""``python -m core predict``: probabilities for files, folders and zips."""

import argparse
import csv
import io
import sys
from pathlib import Path
from typing import Any

from core import atomic
from core.commands.options import add_bundle, add_device, check_folder, progress_line
from core.prediction import Predictor, load_bundle
from core.prediction.batch import ScoredBatch, score_files
from core.prediction.inputs import find_patches
from core.prediction.submission import read_sample, to_submission


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "predict",
        help="probability of tumour for files, folders and zips",
        description="Write id,probability for every image. Unreadable ones are named with the reason on the error "
        "output, the others are written, and the exit status is 1. For research only, not for diagnosis.",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="images, folders or zips")
    parser.add_argument("--out", type=Path, metavar="CSV", help="where to write; default: the standard output")
    parser.add_argument(
        "--submission",
        type=Path,
        metavar="SAMPLE_CSV",
        help="write Kaggle's id,label with exactly the ids of sample_submission.csv, in their order",
    )
    add_bundle(parser)
    add_device(parser)
    parser.set_defaults(run=run_predict)


def run_predict(arguments: argparse.Namespace) -> int:
    """Predict and return the exit status: 0, or 1 if something could not be read."""
    check_folder(arguments.out)
    wanted = None if arguments.submission is None else read_sample(arguments.submission)
    predictor = Predictor(load_bundle(arguments.bundle), device=arguments.device)
    found = find_patches(arguments.paths)
    batch = score_files(predictor, found.files, progress=progress_line("Predicting"))
    for problem in (*found.problems, *batch.problems):
        print(f"not read: {problem}", file=sys.stderr)
    for file in batch.files:
        for note in file.notes:
            print(f"changed: {file.name}: {note}", file=sys.stderr)
    text = (
        to_csv(batch) if wanted is None else to_submission(wanted, {file.id: file.probability for file in batch.files})
    )
    if arguments.out is None:
        print(text, end="")
    else:
        atomic.write_text(arguments.out, text)
        print(f"{len(batch.files)} probabilities in {arguments.out}", file=sys.stderr)
    problems = [*found.problems, *batch.problems]
    if problems:
        print(f"{len(problems)} could not be read, {len(batch.files)} were predicted.", file=sys.stderr)
    return 1 if problems else 0


def to_csv(batch: ScoredBatch) -> str:
    """Return ``id,probability`` lines; probabilities as the shortest text that reads back to the same bits."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["id", "probability"])
    writer.writerows([spreadsheet_safe(file.id), repr(file.probability)] for file in batch.files)
    return buffer.getvalue()


def spreadsheet_safe(text: str) -> str:
    """Return `text` so that no spreadsheet takes it for a formula: a leading = + - @ gets an apostrophe before it."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
