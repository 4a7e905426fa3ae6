"""``python -m core predict``: probabilities for files, folders and zips."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import click

from core.bundle import load_bundle
from core.bundle.prevalence import with_prevalence
from core.commands import options
from core.commands.output import print_json, progress_line
from core.errors import ConfigError
from core.formatting import RESEARCH_ONLY
from core.images.discover import find_patches
from core.images.tiling import Sizing
from core.prediction import Predictor
from core.prediction.batch import ScoredBatch, score_files
from core.prediction.engine import WORDS, is_rounded
from core.prediction.ensemble import Ensemble, first_member
from core.reports.batch import probabilities_csv, table_csv
from core.scoring.kaggle import read_sample, to_submission
from core.storage import atomic
from core.studies.cross_validation import fold_bundles
from core.studies.study import open_study


@options.command("predict", epilog=RESEARCH_ONLY)
@options.paths
@options.out("Where to write.", metavar="CSV", show_default="the standard output")
@options.option(
    "--submission", type=options.PATH, metavar="SAMPLE_CSV",
    help="Write Kaggle's id,label with exactly the ids of sample_submission.csv, in their order.",
)  # fmt: skip
@options.option(
    "--remarks", is_flag=True,
    help="Write more columns: place, verdict, OOD warnings, what was done to the picture; refused files are rows too.",
)  # fmt: skip
@options.as_json
@options.option(
    "--size", type=click.Choice(["crop", "tiles", "rescale"]), default="crop", group="Larger pictures",
    help="Of a larger picture than 96×96, take its centre, all tiles side by side, or the centre after rescaling to "
    "0.97 µm per pixel.",
)  # fmt: skip
@options.mpp(
    "µm per pixel of the pictures, for rescale and tiles; 'file', the default of rescale, takes what each TIFF says "
    "and refuses those that say nothing.",
    group="Larger pictures",
)
@options.bundle(several=True)
@options.study
@options.option(
    "--tta", aliases=["--turns"], is_flag=True, group="Model",
    help="Test-time augmentation: the mean over the eight flips and rotations, more certain and eight times slower.",
)  # fmt: skip
@options.option(
    "--prevalence", type=float, metavar="P", group="Model",
    help="Share of tumour that you expect among these pictures; the probabilities move from the share in validation.",
)  # fmt: skip
@options.device
@options.engine
def command(
    paths: tuple[str, ...],
    out: Path | None,
    submission: Path | None,
    remarks: bool,
    as_json: bool,
    size: str,
    mpp: str | None,
    bundles: tuple[Path, ...],
    study: str | None,
    tta: bool,
    prevalence: float | None,
    device: str,
) -> int:
    """Write id,probability for every image in files, folders and zips.

    Files that cannot be read are named with the reason on the error output, the others are written, and the exit status
    is 1.
    """
    options.check_folder(out)
    sizing = sizing_of(size, mpp)
    if submission is not None and (remarks or as_json or sizing.cut == "tiles"):
        raise ConfigError(
            "A submission has one line a patch and no remarks; leave out --remarks, --json and --size tiles."
        )
    # Read before anything is predicted, so that a wrong file is reported at once.
    sample_ids = None if submission is None else read_sample(submission)
    predictor = predictor_of(bundles, study, device=device, tta=tta, prevalence=prevalence)
    found = find_patches(paths)
    batch = score_files(predictor, found.files, sizing=sizing, with_ood=remarks, progress=progress_line("Predicting"))
    batch = replace(batch, problems=[*found.problems, *batch.problems])
    for problem in batch.problems:
        print(f"not read: {problem}", file=sys.stderr)
    # All tiles of a picture carry its notes; each is printed once.
    for name, note in dict.fromkeys((file.file_name, note) for file in batch.files for note in file.notes):
        print(f"changed: {name}: {note}", file=sys.stderr)
    kind = first_member(predictor).kind
    said = f"Predicted by {WORDS[kind]}." if kind in WORDS else ""
    if said:
        print(said, file=sys.stderr)
    if is_rounded(kind):
        batch = replace(batch, files=[replace(file, notes=(*file.notes, said)) for file in batch.files])
    text = _text(batch, sample_ids, remarks, _threshold(predictor))
    if out is not None:
        atomic.write_text(out, text)
        print(f"{len(batch.files)} probabilities in {out}", file=sys.stderr)
    if as_json:
        engine = {"engine": WORDS[kind]} if is_rounded(kind) else {}
        print_json([{"id": file.id, "probability": file.probability, **engine} for file in batch.files])
    elif out is None:
        print(text, end="")
    if batch.problems:
        print(f"{len(batch.problems)} could not be read, {len(batch.files)} were predicted.", file=sys.stderr)
    return 1 if batch.problems else 0


def predictor_of(
    bundles: Sequence[Path], study: str | None, *, device: str, tta: bool = False, prevalence: float | None = None
) -> Predictor | Ensemble:
    """Return what ``--bundle``, ``--study``, ``--tta`` and ``--prevalence`` stand for.

    Raises:
        ConfigError: both bundles and a study were given.
        NodescopeError: a bundle cannot be read, or they do not fit together.
    """
    if study is not None and bundles:
        raise ConfigError("--study brings its bundles; leave out --bundle, or name all of them with --bundle.")
    paths: Sequence[Path | None] = fold_bundles(open_study(study)) if study is not None else bundles or [None]
    loaded = [load_bundle(path) for path in paths]
    if prevalence is not None:
        loaded = [with_prevalence(each, prevalence) for each in loaded]
    if len(loaded) == 1 and not tta:
        return Predictor(loaded[0], device=device)
    return Ensemble(loaded, device=device, tta=tta)


def _threshold(predictor: Predictor | Ensemble) -> float:
    return predictor.threshold if isinstance(predictor, Ensemble) else predictor.bundle.card.threshold


def sizing_of(size: str, mpp: str | None) -> Sizing:
    """Return what ``--size`` and ``--mpp`` mean. Raises :class:`ConfigError` where they do not go together."""
    if size == "crop" and mpp is not None:
        raise ConfigError("--mpp rescales, and --size crop does not; give --size rescale or --size tiles with it.")
    cut: Literal["crop", "tiles"] = "tiles" if size == "tiles" else "crop"
    if mpp is None:
        return Sizing(cut, "file" if size == "rescale" else None)
    if mpp == "file":
        return Sizing(cut, "file")
    try:
        return Sizing(cut, float(mpp))
    except ValueError as error:
        if isinstance(error, ConfigError):  # the number is out of range, and the error says so already
            raise
        raise ConfigError(f"--mpp must be µm per pixel, such as 0.25, or 'file', got {mpp!r}.") from error


def _text(batch: ScoredBatch, sample_ids: list[str] | None, remarks: bool, threshold: float) -> str:
    if sample_ids is not None:
        return to_submission(sample_ids, {file.id: file.probability for file in batch.files})
    return table_csv(batch, threshold=threshold) if remarks else probabilities_csv(batch)
