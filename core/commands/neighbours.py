"""``python -m core neighbours``: read the features among which a page finds similar patches."""

from pathlib import Path

from core.bundle import load_bundle
from core.commands import options
from core.commands.output import progress_line
from core.data import open_dataset
from core.features.neighbours import build_index, index_path, save_index
from core.prediction import Predictor
from core.progress import Progress


@options.command("neighbours")
@options.data()
@options.bundle()
@options.device
@options.job
def command(data: str, bundle: Path | None, device: str, job: Path | None) -> int:
    """Read the features of labelled patches once, so that pages find similar ones at once."""

    def make(report: Progress) -> Path:
        dataset, predictor = open_dataset(data), Predictor(load_bundle(bundle), device=device)
        save_index(build_index(predictor, dataset, progress=report), dataset, predictor.bundle)
        return index_path(dataset, predictor.bundle)

    if job is not None:
        return options.work_in_job(job, make)
    print(f"Kept in {make(progress_line('Reading features'))}.")
    return 0
