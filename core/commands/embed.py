"""``python -m core embed``: the patches of a data set as points on a map."""

from pathlib import Path

from core.bundle import load_bundle
from core.commands import options
from core.commands.output import print_json, progress_line
from core.data import Dataset, open_dataset
from core.errors import ConfigError
from core.features.embedding import NO_UMAP, Embedding, has_umap, points_csv, stored_or_made
from core.prediction import Predictor
from core.progress import Progress, no_progress
from core.storage import atomic


@options.command("embed")
@options.data()
@options.out("Where to write.", metavar="CSV")
@options.option("--umap", is_flag=True, help="Add the two dimensions of UMAP; needs the package umap-learn.")
@options.fresh
@options.as_json
@options.bundle()
@options.device
@options.job
def command(
    data: str,
    out: Path | None,
    umap: bool,
    fresh: bool,
    as_json: bool,
    bundle: Path | None,
    device: str,
    job: Path | None,
) -> int:
    """Write a CSV with a point for each patch: the first two principal components of the bundle's last features.

    Of more than 10,000 patches, a random sample of that many is drawn.
    """

    def make(progress: Progress, generating: Progress = no_progress) -> tuple[Embedding, Dataset]:
        # A map is of pixels: decisions would only make it out of date.
        dataset = open_dataset(data, progress=generating, decisions="none")
        predictor = Predictor(load_bundle(bundle), device=device)
        return stored_or_made(predictor, dataset, umap=umap, fresh=fresh, progress=progress), dataset

    if job is not None:
        return options.work_in_job(job, make)
    if out is None:
        raise ConfigError("embed writes a CSV file; say where with --out FILE.")
    options.check_folder(out)
    if umap and not has_umap():  # before the features are read
        raise ConfigError(NO_UMAP)
    found, dataset = make(progress_line("Reading features"), progress_line("Generating the demo set"))
    atomic.write_text(out, points_csv(found, dataset))
    explained = float(found.explained[:2].sum())
    if as_json:
        print_json({"patches": found.patches, "points": len(found.ids), "explained_variance": explained})
        return 0
    drawn = f"{len(found.ids):,} of {found.patches:,} patches" if len(found.ids) < found.patches else "all patches"
    print(f"{dataset.name}: {drawn}, {found.description}; the first two components hold {explained:.1%} of "
          f"their variance. {out}")  # fmt: skip
    return 0
