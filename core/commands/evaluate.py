"""``python -m core evaluate``: figures with intervals for a bundle on a data set."""

import argparse
import json
from pathlib import Path
from typing import Any

from core.bundle import load_bundle
from core.bundle.rethreshold import with_threshold
from core.commands.options import add_bundle, add_decisions, add_device, progress_line
from core.data import Dataset, open_dataset
from core.errors import ConfigError, NodescopeError
from core.evaluation import METRICS, Estimate, compare, disagreements
from core.prediction import Predictor
from core.scoring.dataset import CHOICES, Scored
from core.scoring.job import JobStatus, ScoreJob
from core.scoring.store import forget_scores, load_scores, score_and_store, scores_csv
from core.storage import atomic


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "evaluate",
        help="figures with 95 %% intervals for a bundle on labelled patches",
        description="Measure a bundle on labelled patches. By default on those that it was not trained on, as far as "
        "its card tells. Predictions are stored, so that the same question is answered at once the next time.",
    )
    parser.add_argument("--data", required=True, metavar="DIR|demo", help="a Kaggle or PCam folder, or 'demo'")
    parser.add_argument("--split", choices=CHOICES, default="auto", help="which part (default: auto)")
    parser.add_argument("--threshold", type=float, help="default: the bundle's")
    parser.add_argument("--against", type=Path, metavar="FILE", help="another bundle: paired differences")
    parser.add_argument("--fresh", action="store_true", help="predict again although there are stored predictions")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the predictions")
    parser.add_argument("--card", type=Path, metavar="FILE", help="write the model card; .md or .html")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write one self-contained HTML file with plots")
    parser.add_argument("--save-bundle", type=Path, metavar="FILE", help="write a copy that decides at --threshold")
    add_decisions(parser)
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    add_bundle(parser)
    add_device(parser)
    parser.set_defaults(run=run_evaluate)


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Evaluate and return 0."""
    if arguments.job is not None:
        return _run_job(arguments)
    if arguments.save_bundle is not None and arguments.threshold is None:
        raise ConfigError("--save-bundle writes a copy with another threshold; say which with --threshold.")
    generating = progress_line("Generating the demo set")
    dataset = open_dataset(arguments.data, progress=generating, decisions=arguments.decisions)
    predictor = Predictor(load_bundle(arguments.bundle), device=arguments.device)
    scored = _scored(predictor, dataset, arguments)
    own = predictor.bundle.card.threshold
    threshold = own if arguments.threshold is None else arguments.threshold
    found = _figures(predictor, dataset, scored, threshold)
    if arguments.against is not None:
        found["against"] = _against(arguments, dataset, scored, threshold)
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        _print(found)
    _write(arguments, predictor, dataset, scored, threshold)
    return 0


def _run_job(arguments: argparse.Namespace) -> int:
    """Score in the background for the page; the job's folder says how it goes."""
    job = ScoreJob(arguments.job)
    try:
        dataset = open_dataset(arguments.data)
        predictor = Predictor(load_bundle(arguments.bundle), device=arguments.device)
        return 0 if job.run(predictor, dataset, arguments.split).state == "finished" else 1
    except NodescopeError as error:
        job.write(JobStatus("failed", message=str(error)))
        raise


def _scored(predictor: Predictor, dataset: Dataset, arguments: argparse.Namespace) -> Scored:
    part = arguments.split
    if arguments.fresh:
        forget_scores(predictor.bundle, dataset, part)
    found = load_scores(predictor.bundle, dataset, part)
    if found is None:
        found = score_and_store(predictor, dataset, part, progress=progress_line("Predicting"))
    return found


def _figures(predictor: Predictor, dataset: Dataset, scored: Scored, threshold: float) -> dict[str, Any]:
    about = {
        "data": dataset.name,
        "part": scored.part,
        "bundle": predictor.bundle.card.name,
        "digest": predictor.bundle.digest,
        "unreadable": scored.unreadable,
    }
    return {**about, **scored.evaluation(threshold).to_json()}


def _against(arguments: argparse.Namespace, dataset: Dataset, scored: Scored, threshold: float) -> dict[str, Any]:
    predictor = Predictor(load_bundle(arguments.against), device=arguments.device)
    other = _scored(predictor, dataset, arguments)
    if list(other.rows) != list(scored.rows):
        raise ConfigError(
            f"The two bundles keep different patches of {dataset.name} for {arguments.split!r}, so they cannot be "
            "compared there. Choose --split all, or bundles with the same split."
        )
    second = predictor.bundle.card.threshold
    differences = compare(
        scored.labels,
        scored.probabilities,
        other.probabilities,
        groups=scored.slides,
        threshold=threshold,
        second_threshold=second,
    )
    apart = disagreements(scored.probabilities, other.probabilities, threshold=threshold, second_threshold=second)
    ids = dataset.table["id"].iloc[scored.rows[apart]]
    return {
        "bundle": predictor.bundle.card.name,
        "digest": predictor.bundle.digest,
        "threshold": second,
        "differences": {name: each.to_json() for name, each in differences.items()},
        "disagreements": [str(each) for each in ids],
    }


def _print(found: dict[str, Any]) -> None:
    print(f"{found['bundle']} ({found['digest']}) on {found['data']}: {found['part']}")
    by = f"over {found['slides']} slides" if found["resampled"] == "slide" else "over patches (slides unknown)"
    print(f"n = {found['n']} ({found['positives']} tumour), threshold {found['threshold']:.4f}, 95 % intervals {by}")
    if found["unreadable"]:
        print(f"left out: {found['unreadable']} unreadable patches")
    for name, each in found["figures"].items():
        print(f"  {METRICS[name].label:<20} {Estimate.from_json(each)}")
    if "against" in found:
        other = found["against"]
        print(f"minus {other['bundle']} ({other['digest']}), threshold {other['threshold']:.4f}, paired")
        for name, each in other["differences"].items():
            print(f"  {METRICS[name].label:<20} {Estimate.from_json(each)}")
        print(f"they disagree on {len(other['disagreements'])} patches")


def _write(
    arguments: argparse.Namespace, predictor: Predictor, dataset: Dataset, scored: Scored, threshold: float
) -> None:
    if arguments.csv is not None:
        atomic.write_text(arguments.csv, scores_csv(scored, dataset, threshold))
    if arguments.save_bundle is not None:
        reason = f"given by hand after an evaluation on {dataset.name}, {scored.part}."
        copy = with_threshold(predictor.bundle, threshold, name=arguments.save_bundle.stem, reason=reason)
        copy.save(arguments.save_bundle)
    if arguments.card is None and arguments.report is None:
        return
    # plotly takes a third of a second to import, and most calls want no report
    from core.reports.evaluation import make_report, model_card_html, model_card_markdown, report_html

    report = make_report(predictor.bundle, dataset, scored, threshold)
    if arguments.card is not None:
        render = model_card_html if arguments.card.suffix.lower() in (".html", ".htm") else model_card_markdown
        atomic.write_text(arguments.card, render(report))
    if arguments.report is not None:
        atomic.write_text(arguments.report, report_html(report))
