"""Whether the slides of measured patches were in training: what a card and its split rules tell of it."""

from collections.abc import Mapping
from typing import Any

from core.bundle.card import Card, Measurement

SPLIT_BY_SLIDE = ("demo", "pcam", "WILDS camelyon17")
"""Kinds of data whose own splits are different slides."""

NO, YES, LIKELY = "no", "yes", "yes, as far as is known"
UNNAMED = "no, as far as the card says"


def has_slides_apart(source: Mapping[str, Any], split: str) -> bool:
    """Whether no slide of a validation or test split is in training, by the rule that divided the data set.

    Args:
        source: the entry of the data set in a card or in a run's ``data.json``.
        split: "valid" or "test".
    """
    rule, is_test = source["split"], split == "test"
    if rule["kind"] == "official" or (rule["kind"] == "valid-as-test" and is_test):
        return source["kind"] in SPLIT_BY_SLIDE
    return rule.get("by", "patch") != "patch" or (rule["kind"] == "held" and is_test)


def slides_in_training(card: Card, measurement: Measurement) -> str:
    """Return whether the slides of a split that was measured were in training: one of the words above."""
    named = card.training.get("data", [])
    source = next((each for each in named if each["fingerprint"] == measurement.fingerprint), None)
    if source is None:
        return UNNAMED
    if has_slides_apart(source, measurement.split):
        return NO
    # Slides that are known may be apart in splits that the data set came with.
    return YES if measurement.evaluation.slides and source["split"]["kind"] != "official" else LIKELY


def seen_sentence(seen: str) -> str:
    """Return what a figure on such patches is worth, for people who read it."""
    expect = "; expect less on new slides" if seen in (YES, LIKELY) else ""
    return f"Slides in training: {seen}{expect}."
