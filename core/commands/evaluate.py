"""``python -m core evaluate``: figures with intervals for a bundle on a data set."""

import argparse
import json
from typing import Any

from core.commands.options import add_bundle, add_device, progress_line
from core.data import open_dataset
from core.evaluation import FIGURES
from core.prediction import Predictor, load_bundle
from core.prediction.score import CHOICES, score


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "evaluate",
        help="figures with 95 % intervals for a bundle on labelled patches",
        description="Measure a bundle on labelled patches. By default on those that it was not trained on, as far as "
        "its card tells.",
    )
    parser.add_argument("--data", required=True, metavar="DIR|demo", help="a Kaggle or PCam folder, or 'demo'")
    parser.add_argument("--split", choices=CHOICES, default="auto", help="which part (default: auto)")
    parser.add_argument("--threshold", type=float, help="default: the bundle's")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_bundle(parser)
    add_device(parser)
    parser.set_defaults(run=run_evaluate)


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Evaluate and return 0."""
    bundle = load_bundle(arguments.bundle)
    dataset = open_dataset(arguments.data, progress=progress_line("Generating the demo set"))
    predictor = Predictor(bundle, device=arguments.device)
    scored = score(predictor, dataset, part=arguments.split, progress=progress_line("Predicting"))
    threshold = bundle.card.threshold if arguments.threshold is None else arguments.threshold
    evaluation = scored.evaluation(threshold)
    if arguments.json:
        about = {"data": dataset.name, "part": scored.part, "bundle": bundle.card.name, "digest": bundle.digest}
        print(json.dumps({**about, "unreadable": scored.unreadable, **evaluation.to_json()}, indent=2))
        return 0
    print(f"{bundle.card.name} ({bundle.digest}) on {dataset.name}: {scored.part}")
    print(f"n = {evaluation.n} ({evaluation.positives} tumour), threshold {threshold:.4f}, 95 % intervals")
    if scored.unreadable:
        print(f"left out: {scored.unreadable} unreadable patches")
    for name, estimate in evaluation.figures.items():
        print(f"  {FIGURES[name].label:<20} {estimate}")
    return 0
