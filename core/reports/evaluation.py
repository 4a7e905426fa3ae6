"""What an evaluation exports: a model card as Markdown or HTML, and a report with plots in one HTML file."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import torch

import core
from core.bundle import INTENDED_USE, Bundle
from core.bundle.seen_slides import seen_sentence
from core.data import CLASS_NAMES, Dataset, SplitRule
from core.data.choices import Choices
from core.evaluation import (
    METRICS,
    Calibration,
    Evaluation,
    Subgroup,
    pr_band,
    pr_points,
    reliability,
    roc_band,
    roc_points,
)
from core.prediction.centre_audit import CentreAudit
from core.prediction.engine import WORDS
from core.reports import evaluation_charts as charts
from core.reports.document import Block, Bullets, Charts, Document, Heading, Pairs, Paragraph, Table
from core.scoring.dataset import Scored, slides_in_training
from core.scoring.subgroups import KINDS, possible_kinds, subgroups_by
from core.studies.split_leakage import Leak

SHOWN = ("auc", "accuracy", "sensitivity", "specificity", "ece")
"""Metrics of a subgroup in a report."""

USED = {"train": "trained on", "valid": "validated on", "test": "kept away for testing"}
"""What the patches of a split were to the training."""


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """One evaluation, ready to be written down.

    Attributes:
        bundle: the model.
        dataset: what it was measured on.
        scored: the predictions.
        evaluation: the metrics at one threshold.
        subgroups: way of :data:`core.scoring.subgroups.KINDS` -> named subgroups.
        audit: what the centre audit found, or None where none was made.
        leak: what the comparison of a random split with one by slide found, or None where none was made.
        made: when the report was written.
    """

    bundle: Bundle
    dataset: Dataset
    scored: Scored
    evaluation: Evaluation
    subgroups: dict[str, list[tuple[str, Subgroup]]] = field(default_factory=dict)
    audit: CentreAudit | None = None
    leak: Leak | None = None
    made: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def title(self) -> str:
        """Model and data in a line."""
        return f"{self.bundle.card.name} on {self.dataset.name}"

    @property
    def has_both_classes(self) -> bool:
        """Whether curves are defined."""
        return 0 < self.evaluation.positives < self.evaluation.n


def make_report(bundle: Bundle, dataset: Dataset, scored: Scored, threshold: float) -> EvaluationReport:
    """Return the report of a scored set at `threshold`, with every kind of subgroup that the data allows.

    Raises:
        EvaluationError: the threshold is out of range.
    """
    return EvaluationReport(
        bundle=bundle,
        dataset=dataset,
        scored=scored,
        evaluation=scored.evaluation(threshold),
        subgroups={kind: subgroups_by(kind, dataset, scored, threshold) for kind in possible_kinds(dataset, scored)},
    )


def model_card_markdown(report: EvaluationReport) -> str:
    """Return the model card in Markdown, after Mitchell et al., FAT* 2019 (arXiv:1810.03993)."""
    return Document(f"Model card: {report.title}", _blocks(report), report.made).to_markdown()


def model_card_html(report: EvaluationReport) -> str:
    """Return the model card as a small HTML file without plots."""
    blocks = [block for block in _blocks(report) if not isinstance(block, Charts)]
    return Document(f"Model card: {report.title}", blocks, report.made).to_html()


def report_html(report: EvaluationReport) -> str:
    """Return the whole evaluation with its plots as one HTML file, about 5 MB, that needs no network."""
    return Document(report.title, _blocks(report), report.made).to_html()


def _blocks(report: EvaluationReport) -> list[Block]:
    return [
        *_about(report),
        *_use(),
        *_data(report),
        *_metrics(report),
        *_calibration(report),
        *_subgroups(report),
        *_checks(report),
        *_limits(report),
        *_versions(report),
    ]


def _about(report: EvaluationReport) -> list[Block]:
    card, provenance = report.bundle.card, report.bundle.card.training
    rows: list[tuple[str, object]] = [
        ("Name", card.name),
        ("Network", card.model),
        ("Bundle", report.bundle.digest),
        ("Input", "96×96 RGB patch at about 0.97 µm per pixel; the question is about its centre 32×32"),
        ("Output", f"calibrated probability of {CLASS_NAMES[1]} in the centre"),
        ("Threshold", f"{card.threshold:.4f}, from the bundle"),
        ("Preset", str(provenance.get("config", {}).get("preset", "not known"))),
    ]
    if report.scored.device in WORDS:
        rows.append(("Predicted by", WORDS[report.scored.device]))
    if "minutes" in provenance:
        device = provenance.get("device", "an unknown device")
        rows.append(("Training", f"{provenance['minutes']} minutes on {device}"))
    return [Heading(2, "Model"), Pairs(rows)]


def _use() -> list[Block]:
    return [
        Heading(2, "Intended use"),
        Paragraph(INTENDED_USE),
        Paragraph(
            "Out of scope: any decision about a patient; other tissue, other stains or magnifications; whole slides "
            "without further work."
        ),
    ]


def _data(report: EvaluationReport) -> list[Block]:
    trained: Block = Paragraph("Not known.")
    rows = []
    for source in report.bundle.card.training.get("data", []):
        patches = source["patches"]
        counts = ", ".join(f"{patches[split]:,} {use}" for split, use in USED.items() if split in patches)
        rule = SplitRule.from_json(source["split"]).describe()
        rows.append((str(source["name"]), counts + _decided(source), rule, str(source["fingerprint"])))
    if rows:
        trained = Table(("data set", "patches", "split", "fingerprint"), rows)
    evaluation = report.evaluation
    slides = f", {evaluation.slides} {evaluation.resampled}s" if evaluation.slides else ", slides unknown"
    synthetic = " Synthetic demo data." if report.dataset.is_synthetic else ""
    measured = (
        f"{report.dataset.name}, {report.scored.description}: {evaluation.n:,} patches ({evaluation.positives:,} tumour"
        f"{slides}); {report.scored.unreadable:,} unreadable ones excluded. Fingerprint "
        f"{report.dataset.fingerprint()}.{synthetic}"
    )
    return [Heading(2, "Data"), Heading(3, "Trained on"), trained, Heading(3, "Measured on"), Paragraph(measured)]


def _decided(source: dict[str, Any]) -> str:
    """Return what people decided about patches, classes and sizes of training data; empty where they did nothing."""
    changed = [f"{count:,} {what}" for what, count in source.get("decisions", {}).items() if count]
    chosen = Choices.from_json(source.get("choices", {})).words()
    return (f"; by decision {' and '.join(changed)}" if changed else "") + (f"; {chosen}" if chosen else "")


def _metrics(report: EvaluationReport) -> list[Block]:
    evaluation = report.evaluation
    unit = evaluation.described_slides if evaluation.resampled != "patch" else "patches"
    rows = [
        (METRICS[name].label, f"{each.value:.3f}" if each.is_defined else "undefined", each.interval())
        for name, each in evaluation.metrics.items()
    ]
    seen = seen_sentence(slides_in_training(report.bundle, report.dataset, report.scored.rows))
    matrix = evaluation.confusion
    cells = [("is normal", f"{matrix.tn:,}", f"{matrix.fp:,}"), ("is tumour", f"{matrix.fn:,}", f"{matrix.tp:,}")]
    blocks: list[Block] = [
        Heading(2, "Metrics"),
        Paragraph(f"At the threshold {evaluation.threshold:.3f}; 95% CI over {unit}. {seen}"),
        Table(("metric", "value", "95% CI"), rows),
        Table(("", "called normal", "called tumour"), cells),
    ]
    plots = [charts.confusion(matrix)]
    if report.has_both_classes:
        labels, probabilities, slides = report.scored.labels, report.scored.probabilities, report.scored.slides
        roc, precision = roc_band(labels, probabilities, slides), pr_band(labels, probabilities, slides)
        plots += [
            charts.roc(roc_points(labels, probabilities), evaluation, roc),
            charts.precision_recall(pr_points(labels, probabilities), evaluation, precision),
            charts.probabilities(labels, probabilities, ((evaluation.threshold, "threshold"),)),
        ]
    return [*blocks, Charts(plots)]


def _calibration(report: EvaluationReport) -> list[Block]:
    calibration, scored = report.bundle.card.calibration, report.scored
    after = reliability(scored.labels, scored.probabilities)
    # Calibration() is the identity: temperature 1 and bias 0.
    before = reliability(scored.labels, Calibration().apply(scored.logits))
    rows = [
        (f"{low:.2f} to {high:.2f}", f"{count:,}", f"{mean:.3f}", f"{seen:.3f}")
        for low, high, count, mean, seen in zip(
            after.lower, after.upper, after.count, after.mean_probability, after.observed, strict=True
        )
    ]
    return [
        Heading(2, "Calibration"),
        Paragraph(
            f"Temperature {calibration.temperature:.3f} and bias {calibration.bias:+.3f}. Expected calibration error "
            f"{after.ece:.3f}; without them {before.ece:.3f}."
            + (" On these patches calibration makes it worse." if after.ece > before.ece else "")
        ),
        Table(("predicted", "patches", "mean probability", "share with tumour"), rows),
        Charts([charts.reliability(before, "Before calibration"), charts.reliability(after, "After calibration")]),
    ]


def _subgroups(report: EvaluationReport) -> list[Block]:
    if not report.subgroups:
        return []
    blocks: list[Block] = [Heading(2, "Subgroups"), Paragraph("95% CI over patches.")]
    for kind, found in report.subgroups.items():
        rows = [
            (name, f"{each.n:,}{' (few)' if each.is_small else ''}", *(str(each.metrics[one]) for one in SHOWN))
            for name, each in found
        ]
        head = ("subgroup", "n", *(METRICS[one].label for one in SHOWN))
        blocks += [Heading(3, KINDS[kind].label), Paragraph(KINDS[kind].help), Table(head, rows)]
    return blocks


def _checks(report: EvaluationReport) -> list[Block]:
    lines = []
    if report.audit is not None:
        lines.append(f"Centre audit: {report.audit.sentence}")
    if report.leak is not None:
        trained = f" ({report.leak.trained})" if report.leak.trained else ""
        lines.append(f"Random split against split by slide{trained}: {report.leak.sentence()}")
    return [Heading(2, "Checks"), Bullets(lines)] if lines else []


def _limits(report: EvaluationReport) -> list[Block]:
    notes = list(report.bundle.card.notes)
    if report.evaluation.resampled == "patch":
        notes.append("Slides are unknown: intervals treat patches as independent and are too narrow for new slides.")
    if report.dataset.is_synthetic:
        notes.append("Measured on synthetic patches: the metrics say nothing about real tissue.")
    notes.append("Metrics from one source need not hold for another scanner, laboratory or hospital.")
    return [Heading(2, "Limits"), Bullets(notes)]


def _versions(report: EvaluationReport) -> list[Block]:
    trained = report.bundle.card.training.get("versions", {})
    versions: dict[str, Any] = {
        "nodescope": core.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    rows = [(name, str(trained.get(name, "not known")), str(value)) for name, value in versions.items()]
    return [Heading(2, "Versions"), Table(("", "trained with", "measured with"), rows)]
