"""``python -m core evaluate``: metrics with 95% CIs for a bundle on a data set."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.bundle import load_bundle
from core.bundle.rethreshold import with_threshold
from core.bundle.seen_slides import seen_sentence
from core.cluster import Where
from core.commands import options
from core.commands.output import print_json, progress_line
from core.data import Dataset, open_dataset
from core.errors import ConfigError
from core.evaluation import METRICS, Estimate, Evaluation, compare, disagreements
from core.prediction import Predictor
from core.prediction.engine import WORDS, is_rounded, named
from core.progress import Progress
from core.scoring.chunks import ChunkCache, predict_rows
from core.scoring.dataset import Scored, select, slides_in_training
from core.scoring.job import ScoreJob
from core.scoring.shards import fill
from core.scoring.store import chunk_cache_of, forget_scores, load_scores, score_and_store, scores_csv
from core.storage import atomic


@options.command("evaluate")
@options.data()
@options.subset
@options.threshold
@options.option("--against", type=options.PATH, metavar="FILE", help="Another bundle, for paired differences.")
@options.fresh
@options.as_json
@options.out("Write the predictions as CSV.", aliases=["--csv"])
@options.option("--card", type=options.PATH, metavar="FILE", help="Write the model card, .md or .html.")
@options.option("--report", type=options.PATH, metavar="FILE", help="Write one self-contained HTML file with plots.")
@options.option("--save-bundle", type=options.PATH, metavar="FILE", help="Write a copy that decides at --threshold.")
@options.decisions
@options.bundle()
@options.device
@options.engine
@options.cluster
@options.job
def command(
    data: str,
    subset: str,
    threshold: float | None,
    against: Path | None,
    fresh: bool,
    as_json: bool,
    out: Path | None,
    card: Path | None,
    report: Path | None,
    save_bundle: Path | None,
    decisions: str | None,
    bundle: Path | None,
    device: str,
    where: Where,
    job: Path | None,
) -> int:
    """Measure a bundle on labelled patches, by default on those that it was not trained on.

    Predictions are stored and read the next time, unless --fresh is given.
    """
    if job is not None:
        return options.as_job(
            ScoreJob(job),
            lambda job: job.run(Predictor(load_bundle(bundle), device=device), open_dataset(data), subset),
        )
    if save_bundle is not None and threshold is None:
        raise ConfigError("--save-bundle writes a copy with another threshold; say which with --threshold.")
    dataset = open_dataset(data, progress=progress_line("Generating the demo set"), decisions=decisions)
    told = {"data": data, "decisions": decisions, "subset": subset, "device": device}

    def scored_by(path: Path | None) -> tuple[Predictor, Scored]:
        return _scored({**told, "bundle": path}, dataset, fresh=fresh, where=where)

    predictor, scored = scored_by(bundle)
    threshold = predictor.bundle.card.threshold if threshold is None else threshold
    found = _measured(predictor, dataset, scored, threshold)
    if against is not None:
        found["against"] = _compared(scored, *scored_by(against), dataset, threshold)
    if as_json:
        print_json(found)
    else:
        _print(found)
    if out is not None:
        atomic.write_text(out, scores_csv(scored, dataset, threshold))
    if save_bundle is not None:
        reason = f"given by hand after an evaluation on {dataset.name}, {scored.description}."
        with_threshold(predictor.bundle, threshold, name=save_bundle.stem, reason=reason).save(save_bundle)
    if card is not None or report is not None:
        _write_reports(predictor, dataset, scored, threshold, card=card, report=report)
    return 0


def _scored(told: dict[str, Any], dataset: Dataset, *, fresh: bool, where: Where) -> tuple[Predictor, Scored]:
    """Return the predictor and the predictions of what the options in `told` name."""
    subset, predictor = told["subset"], Predictor(load_bundle(told["bundle"]), device=told["device"])
    # What is stored is the model's own, and bfloat16 is not. By its name, as compiling an engine takes a second.
    is_own = not is_rounded(told["device"])
    if fresh and is_own:
        forget_scores(predictor.bundle, dataset, subset)
    stored = load_scores(predictor.bundle, dataset, subset) if is_own and not fresh else None
    # An engine that is asked for by name predicts itself; else it does not matter which of the exact ones did.
    if stored is not None and (not named(told["device"])[1] or stored.device == predictor.kind):
        return predictor, stored
    if not where.is_here:
        keep, rows = _rows(predictor, dataset, subset)
        fill(keep, len(rows), predict_shard, told, where=where, progress=progress_line("Predicting"))
    return predictor, score_and_store(predictor, dataset, subset, progress=progress_line("Predicting"))


def predict_shard(*, span: tuple[int, int], subset: str, progress: Progress, **told: Any) -> None:
    """Predict some of the patches into the chunk cache: a piece, see :func:`core.scoring.shards.fill`."""
    predictor, dataset = _opened(**told)
    keep, rows = _rows(predictor, dataset, subset)
    predict_rows(predictor, dataset, rows, with_appearance=True, keep=keep, span=span, progress=progress)


@lru_cache(maxsize=1)
def _opened(data: str, decisions: str | None, device: str, bundle: Path | None) -> tuple[Predictor, Dataset]:
    return Predictor(load_bundle(bundle), device=device), open_dataset(data, decisions=decisions)


def _rows(predictor: Predictor, dataset: Dataset, subset: str) -> tuple[ChunkCache, npt.NDArray[np.int64]]:
    keep = chunk_cache_of(predictor.bundle, dataset, subset, device=predictor.kind)
    return keep, select(predictor.bundle, dataset, subset)[0]


def _measured(predictor: Predictor, dataset: Dataset, scored: Scored, threshold: float) -> dict[str, Any]:
    # "part", like "figures" of the metrics, is the key of earlier versions; scripts read them.
    about = {
        "data": dataset.name,
        "part": scored.description,
        "bundle": predictor.bundle.card.name,
        "digest": predictor.bundle.digest,
        "engine": WORDS.get(scored.device, "PyTorch"),
        "unreadable": scored.unreadable,
        "labels_by_decision": _decided(dataset, scored),
        "slides_in_training": slides_in_training(predictor.bundle, dataset, scored.rows),
    }
    return {**about, **scored.evaluation(threshold).to_json()}


def _decided(dataset: Dataset, scored: Scored) -> int:
    """Return how many of the labels that were measured on are people's decisions and not those of the data."""
    ids = dataset.table["id"].iloc[scored.rows]
    own = dataset.base.table.set_index("id")["label"].reindex(ids).fillna(-1).to_numpy(np.int64)
    return int((own != scored.labels).sum())


def _compared(
    scored: Scored, predictor: Predictor, other: Scored, dataset: Dataset, threshold: float
) -> dict[str, Any]:
    """Return the paired differences to another bundle, each at its own threshold."""
    if list(other.rows) != list(scored.rows):
        raise ConfigError(
            f"This subset of {dataset.name} holds other patches for the second bundle than for the first, so they "
            "cannot be compared. Choose --subset all, or bundles with the same split."
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
    evaluation = Evaluation.from_json(found)
    by = f"over {evaluation.described_slides}" if evaluation.resampled != "patch" else "over patches (slides unknown)"
    print(f"n = {found['n']} ({found['positives']} tumour), threshold {found['threshold']:.4f}, 95% CIs {by}")
    if found["engine"] != "PyTorch":
        print(f"predicted by {found['engine']}")
    print(seen_sentence(found["slides_in_training"]))
    if found["labels_by_decision"]:
        decided = f"{found['labels_by_decision']:,} of these labels"
        print(f"{decided} are decisions of people in Nodescope, not of the data (--decisions none leaves them away)")
    if found["unreadable"]:
        print(f"excluded: {found['unreadable']} unreadable patches")
    _print_estimates(found["figures"])
    if "against" in found:
        other = found["against"]
        print(f"minus {other['bundle']} ({other['digest']}), threshold {other['threshold']:.4f}, paired")
        _print_estimates(other["differences"])
        print(f"they disagree on {len(other['disagreements'])} patches")


def _print_estimates(estimates: dict[str, Any]) -> None:
    for name, each in estimates.items():
        print(f"  {METRICS[name].label:<20} {Estimate.from_json(each)}")


def _write_reports(
    predictor: Predictor, dataset: Dataset, scored: Scored, threshold: float, *, card: Path | None, report: Path | None
) -> None:
    # plotly takes a third of a second to import, and most calls want no report
    from core.reports.evaluation import make_report, model_card_html, model_card_markdown, report_html

    made = make_report(predictor.bundle, dataset, scored, threshold)
    if card is not None:
        render = model_card_html if card.suffix.lower() in (".html", ".htm") else model_card_markdown
        atomic.write_text(card, render(made))
    if report is not None:
        atomic.write_text(report, report_html(made))
