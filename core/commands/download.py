"""``python -m core get``: fetch a public data set."""

import argparse
from pathlib import Path
from typing import Any

from core.commands.options import progress_line
from core.data.download import SOURCES, fetch
from core.errors import NodescopeError
from core.job import Job, JobStatus


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "get",
        help="fetch a public data set",
        description="Fetch PatchCamelyon (with torchvision and gdown) or the Kaggle competition's data (with kagglehub "
        "and your own token) into a folder. What is finished is not fetched again. Without a network it says "
        "what to do by hand.",
    )
    parser.add_argument("source", choices=list(SOURCES), help="pcam, or kaggle: the competition's data")
    parser.add_argument("folder", type=Path, metavar="DIR", help="where it goes; made if it is not there")
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    parser.set_defaults(run=run_get)


def run_get(arguments: argparse.Namespace) -> int:
    """Fetch and return 0."""
    folder = arguments.folder.expanduser().resolve()
    if arguments.job is not None:
        return _run_job(arguments.job, arguments.source, folder)
    fetch(arguments.source, folder, progress=progress_line("Fetching"))
    print(f"{SOURCES[arguments.source].label} is in {folder}")
    return 0


def _run_job(path: Path, source: str, folder: Path) -> int:
    """Fetch in the background for the page; the job's folder says how it goes."""
    job = Job(path)
    try:
        status = job.work(lambda report: fetch(source, folder, progress=report))
        return 0 if status.state == "finished" else 1
    except NodescopeError as error:
        job.write(JobStatus("failed", message=str(error)))
        raise
