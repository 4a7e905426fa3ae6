"""Earlier recipes as they were reported: measured in an optimistic or noisy way, to compare with what was meant.

Only the metrics of the epochs are taken the reported way. Temperature, threshold and the metrics in a bundle always
come from the validation and test patches that training never saw.
"""

from core.runs.config import TrainingConfig

SUFFIX = "-reported"
"""Ends the name of a preset that is run as it was reported."""

HEAD = "As reported, flawed"


def flaws(config: TrainingConfig) -> tuple[str, ...]:
    """Return what is wrong with how the settings measure, each in a phrase; empty for nearly all runs."""
    found = []
    if config.validate_on == "train":
        found.append("validated on its own training patches")
    if config.dropout_in_validation:
        found.append("dropout stays on in validation")
    # Anybody may choose a random split; it is a flaw of the recipe only where the recipe is run as reported.
    if config.split == "patch" and config.preset.endswith(SUFFIX):
        found.append("split at random, so that patches of one slide stand on both sides")
    return tuple(found)


def flaw_sentence(config: TrainingConfig) -> str:
    """Return "As reported, flawed: ..." with all that :func:`flaws` found; empty if there is nothing."""
    found = flaws(config)
    return f"{HEAD}: {'; '.join(found)}." if found else ""


def card_note(config: TrainingConfig, row: dict[str, float]) -> tuple[str, ...]:
    """Return the note of a bundle's card on flawed metrics, or none.

    `row` of ``metrics.csv`` is that of the epoch that was kept.
    """
    found = flaw_sentence(config)
    if not found:
        return ()
    return (
        f"{found} While it trained, the run showed an accuracy of {row['valid_accuracy']:.3f} and an AUC of "
        f"{row['valid_auc']:.3f} that way in epoch {int(row['epoch'])}: metrics to compare with the report, not a "
        "measurement of quality. The metrics on test patches are.",
    )
