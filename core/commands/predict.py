"""``python -m core predict``: probabilities for files, folders and zips."""

import argparse
import csv
import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from core.bundle import load_bundle
from core.bundle.shipped import SHIPPED
from core.commands.options import add_device, check_folder, progress_line
from core.errors import ConfigError
from core.images.discover import find_patches
from core.images.tiling import Sizing
from core.prediction import Predictor
from core.prediction.batch import ScoredBatch, score_files
from core.prediction.ensemble import Ensemble, load_ensemble
from core.reports.batch import table_csv
from core.scoring.kaggle import read_sample, to_submission
from core.storage import atomic
from core.storage.spreadsheet import plain
from core.studies.cross_validation import fold_bundles
from core.studies.study import open_study


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
    parser.add_argument(
        "--size",
        choices=("crop", "tiles", "rescale"),
        default="crop",
        help="of a larger picture than 96×96 take its centre (default), all tiles side by side, or rescale it to 0.97 "
        "µm per pixel and take the centre",
    )
    parser.add_argument(
        "--mpp",
        metavar="X|file",
        help="µm per pixel of the pictures, for rescale and tiles; 'file', the default of rescale, takes what each "
        "TIFF says and refuses those that say nothing",
    )
    parser.add_argument(
        "--remarks",
        action="store_true",
        help="more columns: place, verdict, doubts, what was done to the picture; refused files are rows too",
    )
    parser.add_argument(
        "--bundle",
        type=Path,
        action="append",
        metavar="FILE",
        help=f"a .safetensors bundle, or one that comes with Nodescope: {', '.join(SHIPPED)} (default: the first); "
        "given more than once, the mean of their calibrated logits",
    )
    parser.add_argument("--study", metavar="NAME", help="the bundles of all folds of a cross-validation, as one")
    parser.add_argument(
        "--turns",
        action="store_true",
        help="the mean over all eight flips and turns of a patch: surer, eight times slower",
    )
    add_device(parser)
    parser.set_defaults(run=run_predict)


def run_predict(arguments: argparse.Namespace) -> int:
    """Predict and return the exit status: 0, or 1 if something could not be read."""
    check_folder(arguments.out)
    sizing = sizing_of(arguments.size, arguments.mpp)
    if arguments.submission is not None and (arguments.remarks or sizing.cut == "tiles"):
        raise ConfigError("A submission has one line a patch and no remarks; leave out --remarks and --size tiles.")
    wanted = None if arguments.submission is None else read_sample(arguments.submission)
    predictor = predictor_of(arguments, turns=arguments.turns)
    found = find_patches(arguments.paths)
    batch = score_files(
        predictor,
        found.files,
        sizing=sizing,
        with_ood=arguments.remarks,
        progress=progress_line("Predicting"),
    )
    batch = replace(batch, problems=[*found.problems, *batch.problems])
    for problem in batch.problems:
        print(f"not read: {problem}", file=sys.stderr)
    for name, note in dict.fromkeys((file.file_name, note) for file in batch.files for note in file.notes):
        print(f"changed: {name}: {note}", file=sys.stderr)
    text = _text(batch, wanted, arguments.remarks, _threshold(predictor))
    if arguments.out is None:
        print(text, end="")
    else:
        atomic.write_text(arguments.out, text)
        print(f"{len(batch.files)} probabilities in {arguments.out}", file=sys.stderr)
    if batch.problems:
        print(f"{len(batch.problems)} could not be read, {len(batch.files)} were predicted.", file=sys.stderr)
    return 1 if batch.problems else 0


def predictor_of(arguments: argparse.Namespace, *, turns: bool = False) -> Predictor | Ensemble:
    """Return what ``--bundle`` and ``--study`` ask for, asked about all eight positions of a patch if `turns`.

    Raises:
        ConfigError: both were given.
        NodescopeError: a bundle cannot be read, or they do not fit together.
    """
    if arguments.study is not None and arguments.bundle:
        raise ConfigError("--study brings its bundles; leave out --bundle, or name all of them with --bundle.")
    paths = fold_bundles(open_study(arguments.study)) if arguments.study is not None else arguments.bundle or [None]
    if len(paths) == 1 and not turns:
        return Predictor(load_bundle(paths[0]), device=arguments.device)
    return load_ensemble(paths, device=arguments.device, turns=turns)


def _threshold(predictor: Predictor | Ensemble) -> float:
    return predictor.threshold if isinstance(predictor, Ensemble) else predictor.bundle.card.threshold


def sizing_of(size: str, mpp: str | None) -> Sizing:
    """Return what ``--size`` and ``--mpp`` mean. Raises :class:`ConfigError` where they do not go together."""
    if size == "crop" and mpp is not None:
        raise ConfigError("--mpp rescales, and --size crop does not; give --size rescale or --size tiles with it.")
    if mpp is None:
        return Sizing("tiles") if size == "tiles" else Sizing(mpp="file" if size == "rescale" else None)
    cut: Literal["crop", "tiles"] = "tiles" if size == "tiles" else "crop"
    if mpp == "file":
        return Sizing(cut, "file")
    try:
        return Sizing(cut, float(mpp))
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"--mpp wants µm per pixel, such as 0.25, or 'file'; found {mpp!r}.") from error


def _text(batch: ScoredBatch, wanted: list[str] | None, remarks: bool, threshold: float) -> str:
    if wanted is not None:
        return to_submission(wanted, {file.id: file.probability for file in batch.files})
    return table_csv(batch, threshold=threshold) if remarks else to_csv(batch)


def to_csv(batch: ScoredBatch) -> str:
    """Return ``id,probability`` lines; probabilities as the shortest text that reads back to the same bits."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["id", "probability"])
    writer.writerows([plain(file.id), repr(file.probability)] for file in batch.files)
    return buffer.getvalue()
