"""Read the predictions that a run wrote down."""

import io
from pathlib import Path

import pandas as pd

from core.bundle import Card
from core.errors import RunError
from core.evaluation import Evaluation
from core.runs.run import Run


def test_predictions(run: Run) -> pd.DataFrame:
    """Return the predictions of a finished run on the test split of its first data set.

    Returns:
        Columns id (text), label (0 or 1), logit before and probability after calibration, a row for each patch.

    Raises:
        RunError: the file is missing.
    """
    path = run.path / "test_predictions.csv"
    if not path.is_file():
        raise RunError(f"The run {run.name} has no test_predictions.csv; delete the run and resume its study.")
    return read_predictions(path)


def read_predictions(path: Path) -> pd.DataFrame:
    """Return the table with the very numbers that were written: pandas' own parser may miss the last bit."""
    # keep_default_na, because an id such as "NA" is a name and no missing value.
    table = pd.read_csv(io.StringIO(path.read_text("utf-8")), dtype=str, keep_default_na=False)
    kinds = {"label": "int64", "fold": "int64", "logit": "float64", "probability": "float64"}
    return table.astype({name: kind for name, kind in kinds.items() if name in table})


def test_evaluation(run: Run, card: Card) -> Evaluation:
    """Return the metrics of a finished run, whose card this is, on its test split.

    Raises:
        RunError: it measured none.
    """
    if card.tested is None:
        raise RunError(f"The run {run.name} measured no test split; its log says why.")
    return card.tested
