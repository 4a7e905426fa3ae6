"""``python -m core errors``: which labels of a data set are probably wrong."""

import argparse
from pathlib import Path
from typing import Any

from core.bundle import load_bundle
from core.commands.options import add_bundle, add_decisions, add_device, check_folder, progress_line
from core.data import CLASS_NAMES, Dataset, open_dataset
from core.errors import ConfigError, NodescopeError
from core.features.label_errors import (
    IMAGENET_KEY,
    LabelIssues,
    has_learnt,
    load_label_issues,
    probe,
    probe_key,
    save_label_issues,
)
from core.formatting import percent
from core.job import Job, JobStatus
from core.prediction import Predictor
from core.progress import Progress, no_progress
from core.storage import atomic, spreadsheet
from core.studies.label_errors import of_study
from core.studies.study import open_study
from core.training.pretrained import imagenet_bundle

TOP = 20
IMAGENET_WORDS = "ImageNet features, which have seen no label of this data"


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "errors",
        help="rank labels that are probably wrong",
        description="Rank the labelled patches by how much speaks against their label (confident learning on "
        "out-of-fold probabilities), the most suspicious first. The probabilities come from a quick linear probe on a "
        "network's features, or from a finished cross-validation. A ranking is a list to look at, not a verdict.",
    )
    parser.add_argument("--data", required=True, metavar="DIR|demo", help="a Kaggle or PCam folder, or 'demo'")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--probe", action="store_true", help="a linear probe (default)")
    kind.add_argument("--study", metavar="NAME", help="a finished cross-validation, see `python -m core studies list`")
    parser.add_argument(
        "--imagenet", action="store_true", help="probe features that have seen no label, instead of the bundle's"
    )
    parser.add_argument("--out", type=Path, metavar="CSV", help="write the whole ranking")
    parser.add_argument("--top", type=int, default=TOP, metavar="N", help=f"print so many (default: {TOP})")
    parser.add_argument("--fresh", action="store_true", help="rank again although there is a stored ranking")
    add_decisions(parser)
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    add_bundle(parser)
    add_device(parser)
    parser.set_defaults(run=run_errors)


def run_errors(arguments: argparse.Namespace) -> int:
    """Rank and return 0."""
    if arguments.study and (arguments.imagenet or arguments.bundle):
        raise ConfigError("--study has its own probabilities; leave out --imagenet and --bundle.")
    if arguments.imagenet and arguments.bundle:
        raise ConfigError("--imagenet and --bundle are two sets of features; choose one.")
    if arguments.job is not None:
        return _run_job(arguments)
    check_folder(arguments.out)
    dataset = _open(arguments, progress_line("Generating the demo set"))
    label_issues = _ranking(arguments, dataset, progress_line("Ranking"))
    _print(label_issues, dataset, arguments.top)
    if arguments.out is not None:
        atomic.write_text(arguments.out, ranking_csv(label_issues))
    return 0


def ranking_csv(label_issues: LabelIssues) -> str:
    """Return the ranking as CSV, the most suspicious first; spreadsheets see no formula in it."""
    table = label_issues.table()
    table["id"] = [spreadsheet.plain(each) for each in table["id"]]
    text: str = table.astype({"suspect": int}).round(6).to_csv(index=False, lineterminator="\n")
    return text


def _open(arguments: argparse.Namespace, progress: Progress) -> Dataset:
    return open_dataset(arguments.data, progress=progress, decisions=arguments.decisions)


def _ranking(arguments: argparse.Namespace, dataset: Dataset, progress: Progress) -> LabelIssues:
    if arguments.study:
        return of_study(open_study(arguments.study), dataset)
    bundle = imagenet_bundle() if arguments.imagenet else load_bundle(arguments.bundle)
    key = IMAGENET_KEY if arguments.imagenet else probe_key(bundle)
    known = None if arguments.fresh else load_label_issues(dataset, key)
    if known is not None and known.fingerprint == dataset.fingerprint():
        return known
    predictor = Predictor(bundle, device=arguments.device)
    words = IMAGENET_WORDS if arguments.imagenet else _words(predictor, dataset)
    label_issues = probe(predictor, dataset, features=words, progress=progress)
    save_label_issues(label_issues, dataset, key)
    return label_issues


def _words(predictor: Predictor, dataset: Dataset) -> str:
    learnt = has_learnt(predictor.bundle, dataset)
    return f"features of {predictor.bundle.card.name}" + (
        ", which was trained on such labels and may hide errors" if learnt else ""
    )


def _run_job(arguments: argparse.Namespace) -> int:
    """Rank in the background for the page; the job's folder says how it goes."""
    job = Job(arguments.job)
    arguments.fresh = True
    try:
        dataset = _open(arguments, no_progress)
        return 0 if job.work(lambda report: _ranking(arguments, dataset, report)).state == "finished" else 1
    except NodescopeError as error:
        job.write(JobStatus("failed", message=str(error)))
        raise


def _print(label_issues: LabelIssues, dataset: Dataset, top: int) -> None:
    table, found = label_issues.table(), label_issues.found
    print(f"{dataset.name}: {len(table):,} labelled patches, by a {label_issues.description}")
    share = found.errors / len(table)
    print(f"about {found.errors:,} labels ({share:.1%}) are wrong by confident learning's estimate; look at them first")
    for row in table.head(top).itertuples():
        said = f"probability of tumour {percent(row.probability)}" + ("  suspect" if row.suspect else "")
        print(f"{row.rank:>6}  {row.id:<42} {_name(row)}  {said}")


def _name(row: Any) -> str:
    return f"labelled {CLASS_NAMES[int(row.label)]:<7}"
