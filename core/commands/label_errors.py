"""``python -m core label-errors``: which labels of a data set are probably wrong."""

from pathlib import Path
from typing import Any

from core.bundle import load_bundle
from core.commands import options
from core.commands.output import print_json, progress_line
from core.data import CLASS_NAMES, Dataset, open_dataset
from core.errors import ConfigError
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
from core.prediction import Predictor
from core.progress import Progress
from core.storage import atomic
from core.studies.label_errors import of_study
from core.studies.study import open_study
from core.training.pretrained import imagenet_bundle

IMAGENET_SOURCE = "ImageNet features, which have seen no label of this data"


@options.command("label-errors")
@options.data()
@options.option("--probe", "by_probe", is_flag=True, help="Rank by a linear probe on features; the default.")
@options.option(
    "--study", metavar="NAME", help="Rank by a finished cross-validation, see `python -m core studies list`."
)
@options.option("--imagenet", is_flag=True, help="Probe features that have seen no label, instead of the bundle's.")
@options.out("Write the whole ranking.", metavar="CSV")
@options.option("--top", type=int, default=20, metavar="N", help="How many are printed.")
@options.fresh
@options.as_json
@options.decisions
@options.bundle()
@options.device
@options.job
def command(
    data: str,
    by_probe: bool,
    study: str | None,
    imagenet: bool,
    out: Path | None,
    top: int,
    fresh: bool,
    as_json: bool,
    decisions: str | None,
    bundle: Path | None,
    device: str,
    job: Path | None,
) -> int:
    """Rank the labelled patches by how likely their label is wrong, the likeliest first.

    The method is confident learning on out-of-fold probabilities. They come from a quick linear probe on a network's
    features, or from a finished cross-validation. A ranking is a list to look at, not a verdict.
    """
    if study and by_probe:
        raise ConfigError("--probe and --study are two sources of probabilities; choose one.")
    if study and (imagenet or bundle):
        raise ConfigError("--study has its own probabilities; leave out --imagenet and --bundle.")
    if imagenet and bundle:
        raise ConfigError("--imagenet and --bundle are two sets of features; choose one.")

    def ranking(dataset: Dataset, *, fresh: bool, progress: Progress) -> LabelIssues:
        if study:
            return of_study(open_study(study), dataset)
        return _probed(None if imagenet else bundle, dataset, imagenet, device, fresh=fresh, progress=progress)

    if job is not None:
        return options.work_in_job(
            job, lambda report: ranking(open_dataset(data, decisions=decisions), fresh=True, progress=report)
        )
    options.check_folder(out)
    dataset = open_dataset(data, progress=progress_line("Generating the demo set"), decisions=decisions)
    label_issues = ranking(dataset, fresh=fresh, progress=progress_line("Ranking"))
    if as_json:
        print_json(_to_json(label_issues, dataset, top))
    else:
        _print(label_issues, dataset, top)
    if out is not None:
        atomic.write_text(out, label_issues.to_csv())
    return 0


def _probed(
    path: Path | None, dataset: Dataset, imagenet: bool, device: str, *, fresh: bool, progress: Progress
) -> LabelIssues:
    """Return the stored ranking by a probe on features, if its labels are those of today, or make and store it."""
    bundle = imagenet_bundle() if imagenet else load_bundle(path)
    key = IMAGENET_KEY if imagenet else probe_key(bundle)
    stored = None if fresh else load_label_issues(dataset, key)
    if stored is not None and stored.fingerprint == dataset.fingerprint():
        return stored
    source = IMAGENET_SOURCE
    if not imagenet:
        caution = ", which was trained on such labels and may hide errors" if has_learnt(bundle, dataset) else ""
        source = f"features of {bundle.card.name}{caution}"
    label_issues = probe(Predictor(bundle, device=device), dataset, features=source, progress=progress)
    save_label_issues(label_issues, dataset, key)
    return label_issues


def _to_json(label_issues: LabelIssues, dataset: Dataset, top: int) -> dict[str, Any]:
    table = label_issues.table()
    return {
        "data": dataset.name,
        "labelled": len(table),
        "by": label_issues.description,
        "errors": label_issues.found.errors,
        "top": table.head(top).to_dict(orient="records"),
    }


def _print(label_issues: LabelIssues, dataset: Dataset, top: int) -> None:
    table, found = label_issues.table(), label_issues.found
    print(f"{dataset.name}: {len(table):,} labelled patches, by a {label_issues.description}")
    wrong = "1 label is" if found.errors == 1 else f"{found.errors:,} labels are"
    print(f"By confident learning's estimate about {wrong} wrong ({found.errors / len(table):.2%}), marked 'suspect'.")
    for row in table.head(top).itertuples():
        verdict = f"probability of tumour {percent(row.probability)}" + ("  suspect" if row.suspect else "")
        print(f"{row.rank:>6}  {row.id:<42} labelled {CLASS_NAMES[int(row.label)]:<7}  {verdict}")
