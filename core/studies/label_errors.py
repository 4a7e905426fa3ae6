"""Ranking labels by the out-of-fold predictions of a cross-validation."""

import numpy as np
import pandas as pd

from core.data import Dataset
from core.errors import DataError, RunError
from core.features.label_errors import LabelIssues
from core.studies.cross_validation import out_of_fold
from core.studies.study import Study, list_studies


def finished_studies() -> list[Study]:
    """Return the cross-validations that have out-of-fold predictions, newest first."""
    return [study for study in list_studies() if (study.path / "predictions.csv").is_file() and _is_folds(study)]


def _is_folds(study: Study) -> bool:
    try:
        return study.kind == "folds"
    except RunError:
        return False  # a damaged one, of which Train says what to do, must not hide the others


def of_study(study: Study, dataset: Dataset) -> LabelIssues:
    """Return the ranking by a finished cross-validation, with the labels that its runs were trained on.

    Patches that the data set does not have any more are excluded.

    Raises:
        RunError: the study is none of folds, or not finished.
        DataError: none of its patches is in the data set.
    """
    table = out_of_fold(study)
    known = table[table["id"].isin(dataset.table["id"])]
    if known.empty:
        raise DataError(f"The study {study.name} is about other patches than those of {dataset.name}.")
    return LabelIssues(
        tuple(known["id"]),
        known["label"].to_numpy(np.int64),
        known["probability"].to_numpy(np.float64),
        known["fold"].to_numpy(np.int64),
        f"cross-validation {study.name}, {table['fold'].nunique()} folds",
        dataset.fingerprint() if _same_labels(known, dataset) else "",
    )


def _same_labels(table: pd.DataFrame, dataset: Dataset) -> bool:
    now = table["id"].map(dataset.table.set_index("id")["label"])
    return bool((now.astype("Int64") == table["label"]).fillna(False).all())
