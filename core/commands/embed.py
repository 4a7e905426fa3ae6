"""``python -m core embed``: the patches of a data set as points on a map."""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from core.bundle import load_bundle
from core.commands.options import add_bundle, add_device, check_folder, progress_line
from core.data import Dataset, open_dataset
from core.errors import ConfigError, NodescopeError
from core.features.embedding import MOST, NO_UMAP, Embedding, has_umap, stored_or_made
from core.job import Job, JobStatus
from core.prediction import Predictor
from core.storage import atomic, spreadsheet


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "embed",
        help="patches as points on a map, by features",
        description="Write a CSV with a point for each patch: the first two principal components of what the bundle's "
        f"last layer sees, and UMAP's two dimensions on request. Of more than {MOST:,} patches so many are drawn.",
    )
    parser.add_argument("--data", required=True, metavar="DIR|demo", help="a Kaggle or PCam folder, or 'demo'")
    parser.add_argument("--out", type=Path, metavar="CSV", help="where to write")
    parser.add_argument("--umap", action="store_true", help="UMAP too; needs the package umap-learn")
    parser.add_argument("--fresh", action="store_true", help="make it again although there is a stored one")
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    add_bundle(parser)
    add_device(parser)
    parser.set_defaults(run=run_embed)


def run_embed(arguments: argparse.Namespace) -> int:
    """Make the map and return 0."""
    if arguments.job is not None:
        return _run_job(arguments)
    if arguments.out is None:
        raise ConfigError("embed writes a CSV file; say where with --out FILE.")
    check_folder(arguments.out)
    _check_umap(arguments)
    dataset = open_dataset(arguments.data, progress=progress_line("Generating the demo set"), decisions="none")
    predictor = Predictor(load_bundle(arguments.bundle), device=arguments.device)
    found = stored_or_made(
        predictor, dataset, umap=arguments.umap, fresh=arguments.fresh, progress=progress_line("Reading features")
    )
    atomic.write_text(arguments.out, points_csv(found, dataset))
    drawn = f"{len(found.ids):,} of {found.patches:,} patches" if len(found.ids) < found.patches else "all patches"
    print(f"{dataset.name}: {drawn}, {found.description}; the first two components hold "
          f"{found.explained[:2].sum():.1%} of their variance. {arguments.out}")  # fmt: skip
    return 0


def points_csv(embedding: Embedding, dataset: Dataset) -> str:
    """Return one line for each point: id, label, split, slide, pc1, pc2, and umap1, umap2 where they are known."""
    known = dataset.table.set_index("id").loc[list(embedding.ids)].reset_index().astype({"split": str})
    for column in ("id", "slide"):
        known[column] = [spreadsheet.plain(text) for text in known[column].fillna("")]
    columns = {"pc1": embedding.components[:, 0], "pc2": embedding.components[:, 1]}
    if embedding.umap is not None:
        columns |= {"umap1": embedding.umap[:, 0], "umap2": embedding.umap[:, 1]}
    points = pd.DataFrame(columns).astype("float64").round(5)
    text: str = pd.concat([known, points], axis=1).to_csv(index=False, lineterminator="\n")
    return text


def _check_umap(arguments: argparse.Namespace) -> None:
    if arguments.umap and not has_umap():  # before the features are read
        raise ConfigError(NO_UMAP)


def _run_job(arguments: argparse.Namespace) -> int:
    """Make the map in the background for the page; the job's folder says how it goes."""
    job = Job(arguments.job)
    try:
        dataset = open_dataset(arguments.data, decisions="none")
        predictor = Predictor(load_bundle(arguments.bundle), device=arguments.device)
        word = job.work(lambda report: stored_or_made(predictor, dataset, umap=arguments.umap, progress=report))
        return 0 if word.state == "finished" else 1
    except NodescopeError as error:
        job.write(JobStatus("failed", message=str(error)))
        raise
