"""Cross-validation: the data set is divided into folds, and each is tested by a run that was trained on the others.

So every labelled patch gets the prediction of a model that has never seen it, and the spread between the folds tells
how certain a metric is. The study's folder holds, when it is finished::

    predictions.csv     id, label, fold (from 1), logit, calibrated probability: each labelled patch once
    results.json        FoldsResult; while it goes on, only the folds that are measured
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd

from core.bundle import load_bundle
from core.cluster import HERE, Where
from core.data import SPLITS, Dataset, assign, open_dataset
from core.data.dataset import GROUPS
from core.data.splits import choose_rule
from core.errors import ConfigError, DataError, RunError
from core.evaluation import METRICS, Estimate, corrected_mean, evaluate
from core.job import JobStatus
from core.progress import Progress
from core.runs.config import TrainingConfig
from core.runs.run import Run
from core.storage import atomic
from core.studies.cross_validation_result import Fold, FoldsResult
from core.studies.study import KIND_NAMES, Study, create_study
from core.studies.work import finished_runs, units_of, work_on
from core.training.predictions import read_predictions, test_predictions

By = Literal["slide", "patient", "centre", "patch", "stratified"]
BY_NAMES: dict[By, str] = {
    "slide": "whole slides",
    "patient": "whole patients",
    "centre": "one centre each, left out in turn",
    "patch": "patches at random",
    "stratified": "patches at random, both classes shared out evenly",
}
FOLDS, MOST_FOLDS = 5, 20
SEEDS = 100
"""Seeds that are tried before the data count as impossible to divide."""

COLUMNS = ("id", "label", "fold", "logit", "probability")
"""Columns of ``predictions.csv``."""


def create_folds(
    config: TrainingConfig, *, folds: int | None = None, by: By | None = None, name: str | None = None
) -> Study:
    """Make a cross-validation that is ready to be started, see :func:`core.studies.study.start_study`.

    Args:
        config: the training; its split is replaced, and its split seed is the first one that is tried: taken is the
            first under which every split of every fold has both classes, and the study's settings say which.
        folds: how many, 2 to 20; None is 5, or one for each centre.
        by: what stays together; None is whole patients where they are known, else whole slides where those are, else
            single patches, stratified. By centre, each fold leaves one out.
        name: of the study; None makes one.

    Raises:
        ConfigError: the number of folds or `by` is none.
        DataError: the data cannot be opened, or no seed divides it like that.
        RunError: the name is taken.
    """
    if folds is not None and not 2 <= folds <= MOST_FOLDS:
        raise ConfigError(f"folds must be 2 to {MOST_FOLDS}, got {folds}.")
    if by is not None and by not in get_args(By):
        raise ConfigError(f"by must be one of {', '.join(get_args(By))}, got {by!r}.")
    dataset = open_dataset(config.data[0], decisions=config.decisions or None)
    by = (dataset.unit or "stratified") if by is None else by
    groups = dataset.table[by].nunique() if by in dataset.known_groups else 0
    if folds is None:
        folds = min(groups, MOST_FOLDS) if by == "centre" else FOLDS
    if by in GROUPS and groups < max(folds, 2):
        raise ConfigError(
            f"{dataset.name} has {groups} known {by}s, too few for {max(folds, 2)} folds by {by}. Choose fewer folds, "
            "or folds by patch."
        )
    config = config.with_changes(split_seed=_seed(dataset, config.split_seed, folds=folds, by=by))
    suffixes = [f"fold-{number}" for number in range(1, folds + 1)]
    return create_study("folds", config, name=name, settings={"folds": folds, "by": by}, suffixes=suffixes)


def fold_config(config: TrainingConfig, *, folds: int, by: By, number: int) -> TrainingConfig:
    """Return the settings of the run that fold `number`, from 1, tests."""
    return config.with_changes(split=by, folds=folds, fold=number - 1)


def work_on_folds(
    study: Study, *, notify: Callable[[str], None] = lambda _line: None, where: Where = HERE
) -> JobStatus:
    """Train what is left of the runs in this process and put the result together.

    `notify` gets a line of text on each thing that is done.

    Raises:
        NodescopeError: a run failed, or another process works on the study.
    """
    config, settings = study.config(), study.settings()
    folds, by, names = settings["folds"], settings["by"], study.run_names()
    plan = [
        (f"Fold {number} of {len(names)}: {name}", name, fold_config(config, folds=folds, by=by, number=number))
        for number, name in enumerate(names, start=1)
    ]

    def train(report: Progress) -> None:
        measured: list[Fold] = []
        for number, run in enumerate(finished_runs(study, plan, report, notify, where), start=1):
            card, table = load_bundle(run.bundle_path).card, test_predictions(run)
            positives = int(table["label"].sum())
            measured.append(Fold(number, run.name, len(table), positives, card.threshold, card.tested))
            notify(_sentence(measured[-1]))
            # A resumed study comes by its finished folds first, which must not shorten the list on disk.
            if len(measured) > len(finished_folds(study)):
                atomic.write_json(study.path / "results.json", {"folds": [fold.to_json() for fold in measured]})
        _conclude(study, measured)
        report(1.0)

    return work_on(study, train)


def out_of_fold(study: Study) -> pd.DataFrame:
    """Return the out-of-fold predictions of a finished cross-validation, a row for each labelled patch.

    Returns:
        The columns :data:`COLUMNS`: text, 0 or 1, fold from 1, logit before and probability after calibration.

    Raises:
        RunError: the study is none of folds, or not finished.
    """
    path = study.path / "predictions.csv"
    if study.kind != "folds" or not path.is_file():
        why = "not finished; resume it." if study.kind == "folds" else f"a {KIND_NAMES[study.kind]}."
        raise RunError(
            f"The study {study.name} has no out-of-fold predictions, which a finished cross-validation has: it is {why}"
        )
    return study.understood(path.name, lambda: read_predictions(path))


def fold_bundles(study: Study) -> list[Path]:
    """Return the bundles of all folds, for :class:`core.prediction.ensemble.Ensemble`.

    Raises:
        RunError: the study is none of folds, or a fold is not trained.
    """
    runs = study.runs() if study.kind == "folds" else []
    paths = [run.bundle_path for run in runs if run.bundle_path.is_file()]
    if len(paths) < len(study.run_names()) or not paths:
        raise RunError(
            f"The study {study.name} has {len(paths)} trained folds; an ensemble of folds needs all "
            f"{len(study.run_names())} of a cross-validation. Resume it first."
        )
    return paths


def folds_result(study: Study) -> FoldsResult | None:
    """Return what the cross-validation came to, or None while it is not finished."""
    found = study.results()
    if found is None or "pooled" not in found:
        return None
    result = study.understood("results.json", lambda: FoldsResult.from_json(found))
    missing = [name for name in ("auc", "accuracy", "sensitivity", "specificity") if name not in result.mean]
    if missing:
        raise study.damaged("results.json", f"mean.{missing[0]} is missing")
    return result


def finished_folds(study: Study) -> list[Fold]:
    """Return the folds that are measured so far, also before the study is finished."""
    folds = (study.results() or {}).get("folds", ())
    return study.understood("results.json", lambda: [Fold.from_json(each) for each in folds])


def _seed(dataset: Dataset, first: int, *, folds: int, by: By) -> int:
    """Return the first seed from `first` on whose folds can all be trained and measured.

    With few slides, many a draw leaves a split without one of the classes.
    """
    labels = dataset.table["label"].to_numpy()
    for seed in range(first, first + SEEDS):
        rules = (choose_rule(dataset, by, seed=seed, folds=folds, fold=fold) for fold in range(folds))
        if all(_has_both(labels, assign(dataset, rule)) for rule in rules):
            return seed
    raise DataError(
        f"{dataset.name} cannot be divided into {folds} folds of {BY_NAMES[by]} that all have tumour and normal "
        f"patches in training, validation and test; {SEEDS} seeds from {first} on were tried. Choose fewer folds, or "
        "other ones."
    )


def _has_both(labels: np.ndarray, splits: np.ndarray) -> bool:
    return all((labels[splits == split] == label).any() for split in SPLITS for label in (0, 1))


def _sentence(fold: Fold) -> str:
    if fold.evaluation is None:
        return f"  {fold.run}, n = {fold.n}: its test patches define no metrics"
    found = fold.evaluation.metrics
    return f"  {fold.run}, n = {fold.n}: AUC {found['auc']}, accuracy {found['accuracy']}"


def _conclude(study: Study, folds: list[Fold]) -> None:
    runs = study.runs()
    table = pd.concat(
        [test_predictions(run).assign(fold=fold.number) for run, fold in zip(runs, folds, strict=True)],
        ignore_index=True,
    )[list(COLUMNS)]
    if table["id"].duplicated().any():
        twice = table.loc[table["id"].duplicated(), "id"].iloc[0]
        raise RunError(f"The patch {twice} was tested in two folds of {study.name}; were its runs exchanged?")
    atomic.write_text(study.path / "predictions.csv", table.to_csv(index=False, lineterminator="\n"))
    atomic.write_json(study.path / "results.json", _result(study, folds, table).to_json())


def _result(study: Study, folds: list[Fold], table: pd.DataFrame) -> FoldsResult:
    dataset = study.dataset()
    # Each fold chose a threshold on its own validation patches, and all predictions together need one.
    threshold = sum(fold.threshold for fold in folds) / len(folds)
    ratio = sum(_test_to_train(run) for run in study.runs()) / len(folds)
    measured = [fold.evaluation for fold in folds if fold.evaluation is not None]
    mean = {
        name: _within_scale(corrected_mean([each.metrics[name].value for each in measured], test_to_train=ratio), name)
        for name in METRICS
    }
    groups = units_of(dataset, table["id"])
    pooled = evaluate(
        table["label"], table["probability"], threshold=threshold, groups=groups, unit=dataset.unit or "slide"
    )
    return FoldsResult(tuple(folds), mean, pooled, left_out=sum(dataset.class_counts()) - len(table))


def _test_to_train(run: Run) -> float:
    counts = [source["patches"] for source in load_bundle(run.bundle_path).card.training["data"]]
    return float(counts[0]["test"]) / float(sum(each["train"] for each in counts))


def _within_scale(estimate: Estimate, name: str) -> Estimate:
    """Return the estimate with its interval cut off where the metric's scale ends."""
    lowest, highest = (-1.0 if name == "mcc" else 0.0), (float("inf") if name == "nll" else 1.0)
    return Estimate(estimate.value, max(estimate.low, lowest), min(estimate.high, highest))
