"""``python -m core info``: a bundle's card."""

from pathlib import Path

import models
from core.bundle import INTENDED_USE, Bundle, Card, load_bundle
from core.bundle.seen_slides import slides_in_training
from core.commands import options
from core.commands.output import print_json
from core.data.choices import Choices
from core.data.store import PATCH_SIZE
from core.errors import BundleError
from core.evaluation import METRICS
from core.stain import METHODS


@options.command("info")
@options.as_json
@options.option("--models", "list_models", is_flag=True, help="List the networks and their trainable parameters.")
@options.bundle()
def command(as_json: bool, list_models: bool, bundle: Path | None) -> int:
    """Print a bundle's card."""
    if list_models:
        counts = {name: models.parameter_count(models.build(name)) for name in models.names()}
        if as_json:
            print_json(counts)
        else:
            print("\n".join(f"{name:<20} {count:>12,} parameters" for name, count in counts.items()))
            print("timm:NAME            those of the package timm, such as timm:resnet18")
        return 0
    loaded = load_bundle(bundle)
    if as_json:
        print_json(loaded.card.to_json())
    else:
        print(describe(loaded))
    return 0


def describe(bundle: Bundle) -> str:
    """Return the card as plain lines."""
    card, training = bundle.card, bundle.card.training
    stains = "as they are" if card.stain is None else f"normalised by {METHODS[card.stain.method]}"
    lines = [
        f"{card.name} ({bundle.digest})",
        f"  network       {card.model}{_network(bundle)}",
        f"  calibration   temperature {card.calibration.temperature:.4f}, bias {card.calibration.bias:+.4f}",
        f"  threshold     {card.threshold:.4f}{_errors(card, card.threshold)}",
        f"  stains        {stains}",
    ]
    if card.operating is not None:
        area, peak = card.slide_thresholds
        lines.append(f"  on slides     areas from {area:.4f} on{_errors(card, area)}")
        lines.append(f"                with a cell from {peak:.4f} on{_errors(card, peak)}")
    for source in training.get("data", []):
        patches = source["patches"]
        counts = ", ".join(f"{patches[split]:,} {split}" for split in ("train", "valid", "test") if patches.get(split))
        changed = [f"{count} {what}" for what, count in source.get("decisions", {}).items() if count]
        decided = f"; by decision {' and '.join(changed)}" if changed else ""
        chosen = Choices.from_json(source.get("choices", {})).words()
        lines.append(f"  data          {source['name']} [{source['fingerprint']}]: {counts}{decided}")
        lines += [f"                {chosen}"] if chosen else []
    if training:
        versions = ", ".join(f"{name} {version}" for name, version in training.get("versions", {}).items())
        minutes = f" in {training['minutes']} min" if "minutes" in training else ""
        preset = training.get("config", {}).get("preset", "unknown")
        lines.append(f"  made by       preset {preset}{minutes}; {versions or 'versions unknown'}")
    for measurement in card.measured:
        evaluation = measurement.evaluation
        lines += [
            f"  measured on   {measurement.data}, {measurement.split} split, n = {evaluation.n}",
            f"    {'Slides in training':<20} {slides_in_training(card, measurement)}",
        ]
        lines += [f"    {METRICS[name].label:<20} {estimate}" for name, estimate in evaluation.metrics.items()]
    ood_model = bundle.ood_model
    fitted = "none" if ood_model is None else f"{sum(ood_model.patches)} patches of {', '.join(ood_model.names)}"
    lines.append(f"  OOD model     {fitted}")
    lines += [f"  note          {note}" for note in card.notes]
    return "\n".join([*lines, f"  use           {INTENDED_USE}"])


def _network(bundle: Bundle) -> str:
    card = bundle.card
    try:
        parameters = f", {models.parameter_count(bundle.network()):,} parameters"
    except BundleError as error:  # the card is worth reading before its package is installed
        return f". {error}"
    side = card.arguments.get("side", PATCH_SIZE)
    enlarged = "" if side == PATCH_SIZE else f", patches enlarged to {side} px"
    package = "" if card.package is None else f", of the package {' '.join(card.package)}"
    return f"{parameters}{package}{enlarged}"


def _errors(card: Card, threshold: float) -> str:
    """Return what the validation patches say of a threshold, or "" where they were not kept."""
    if card.operating is None:
        return ""
    found, spared = card.operating.at(threshold)
    return f", in validation sensitivity {found}, specificity {spared}"
