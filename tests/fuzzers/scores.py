"""Damaged stored predictions: refused in a sentence, computed again, or the same."""

from pathlib import Path

from core.bundle import load_bundle
from core.data import open_dataset
from core.errors import NodescopeError
from core.scoring.store import load_scores
from tests.fuzzers.damage import copy_with_damage as damaged
from tests.fuzzers.home import RUN

__all__ = ["attempt", "damaged", "place"]

CHECKED = True
"""A change of the answer is a finding. Measures of the patches may be missing: earlier versions stored none."""


def place(home: Path) -> Path:
    """Return the folder that is damaged."""
    return home / "scores"


def attempt(path: Path) -> str:
    """Load the predictions of all patches and of those not trained on, with what is measured on them."""
    home = path.parent
    try:
        bundle = load_bundle(home / "runs" / RUN / "bundle.safetensors")
        dataset = open_dataset(str(home.parent / "patches"))
        text = ""
        for subset in ("all", "auto"):
            scored = load_scores(bundle, dataset, subset)
            if scored is None:
                return "refused"  # they are computed again
            text += str((scored.rows.tolist(), scored.labels.tolist(), scored.logits.tolist()))
            text += str(scored.probabilities.mean())
    except NodescopeError:
        return "refused"
    return text
