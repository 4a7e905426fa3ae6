"""``python -m core info``: a bundle's card."""

import argparse
import json
from typing import Any

import models
from core.bundle import INTENDED_USE, Bundle, load_bundle
from core.commands.options import add_bundle
from core.evaluation import METRICS


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "info", help="a bundle's card", description="Print what a bundle says of itself."
    )
    parser.add_argument("--json", action="store_true", help="print the card as JSON")
    parser.add_argument("--models", action="store_true", help="list the networks and their trainable parameters")
    add_bundle(parser)
    parser.set_defaults(run=run_info)


def run_info(arguments: argparse.Namespace) -> int:
    """Print the card and return 0."""
    if arguments.models:
        for name in models.names():
            print(f"{name:<20} {models.parameter_count(models.build(name)):>12,} parameters")
        return 0
    bundle = load_bundle(arguments.bundle)
    print(json.dumps(bundle.card.to_json(), indent=2, ensure_ascii=False) if arguments.json else describe(bundle))
    return 0


def describe(bundle: Bundle) -> str:
    """Return the card as plain lines."""
    card, training = bundle.card, bundle.card.training
    parameters = models.parameter_count(bundle.network())
    lines = [
        f"{card.name} ({bundle.digest})",
        f"  network       {card.model}, {parameters:,} parameters",
        f"  calibration   temperature {card.calibration.temperature:.4f}, bias {card.calibration.bias:+.4f}",
        f"  threshold     {card.threshold:.4f}",
    ]
    for source in training.get("data", []):
        counts = ", ".join(f"{count} {part}" for part, count in source["patches"].items())
        changed = [f"{count} {what}" for what, count in source.get("decisions", {}).items() if count]
        decided = f"; by decision {' and '.join(changed)}" if changed else ""
        lines.append(f"  trained with  {source['name']} [{source['fingerprint']}]: {counts}{decided}")
    if training:
        versions = ", ".join(f"{name} {version}" for name, version in training["versions"].items())
        lines.append(f"  made by       preset {training['config']['preset']}, {training['minutes']} min; {versions}")
    for measurement in card.measured:
        evaluation = measurement.evaluation
        lines.append(f"  measured on   {measurement.data}, {measurement.part} part, n = {evaluation.n}")
        lines += [f"    {METRICS[name].label:<20} {estimate}" for name, estimate in evaluation.figures.items()]
    known = bundle.ood_model
    lines += [
        "  familiarity   "
        + ("cannot tell" if known is None else f"{sum(known.patches)} patches of {', '.join(known.names)}")
    ]
    lines += [f"  note          {note}" for note in card.notes]
    return "\n".join([*lines, f"  use           {INTENDED_USE}"])
