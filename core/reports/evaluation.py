"""What an evaluation leaves to take away: a model card in Markdown and a report in one HTML file."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import torch

import core
from core.data import CLASS_NAMES, Dataset
from core.evaluation import FIGURES, Estimate, Evaluation, Reliability, Slice, reliability
from core.prediction import INTENDED_USE, Bundle
from core.prediction.audit import CentreAudit
from core.prediction.score import Scored
from core.prediction.slicing import KINDS
from core.training.leak import Leak

RESEARCH_ONLY = "Research use only. Not for diagnosis."

SHOWN = ("auc", "accuracy", "sensitivity", "specificity", "ece")
"""Figures of a slice in a report."""


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """One evaluation, ready to be written down.

    Attributes:
        bundle: the model.
        dataset: what it was measured on.
        scored: the predictions.
        evaluation: the figures at one threshold.
        slices: way of :data:`core.prediction.slicing.KINDS` -> named slices.
        audit: what the centre audit found, or None where none was made.
        leak: what the leak meter found, or None.
        day: of the report.
    """

    bundle: Bundle
    dataset: Dataset
    scored: Scored
    evaluation: Evaluation
    slices: dict[str, list[tuple[str, Slice]]] = field(default_factory=dict)
    audit: CentreAudit | None = None
    leak: Leak | None = None
    day: date = field(default_factory=date.today)

    @property
    def title(self) -> str:
        """Model and data in a line."""
        return f"{self.bundle.card.name} on {self.dataset.name}"

    def calibration(self) -> Reliability:
        """Return the reliability diagram of the calibrated probabilities."""
        return reliability(self.scored.labels, self.scored.probabilities)


def model_card(report: EvaluationReport) -> str:
    """Return the model card in Markdown, after Mitchell et al., FAT* 2019 (arXiv:1810.03993)."""
    parts = [
        f"# Model card: {_text(report.bundle.card.name)}",
        f"> {RESEARCH_ONLY}",
        _about(report),
        _use(report),
        _data(report),
        _figures(report),
        _calibration(report),
        _slices(report),
        _checks(report),
        _limits(report),
        _versions(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _about(report: EvaluationReport) -> str:
    card, provenance = report.bundle.card, report.bundle.card.training
    rows = {
        "Network": card.model,
        "Bundle": f"`{report.bundle.digest}`",
        "Input": "96×96 RGB patch at about 0.97 µm per pixel; the question is about its centre 32×32",
        "Output": f"calibrated probability of {CLASS_NAMES[1]} in the centre",
        "Threshold": f"{card.threshold:.4f}, chosen on validation patches",
        "Preset": str(provenance.get("config", {}).get("preset", "unknown")),
        "Trained in": f"{provenance['minutes']} minutes on {provenance.get('device', 'an unknown device')}"
        if "minutes" in provenance
        else "unknown time",
    }
    return "## Model\n\n" + _table(("", ""), [(name, _text(value)) for name, value in rows.items()])


def _use(_report: EvaluationReport) -> str:
    return (
        f"## Intended use\n\n{INTENDED_USE}\n\nOut of scope: any decision about a patient; other tissue, other "
        "stains or magnifications; whole slides without further work."
    )


def _data(report: EvaluationReport) -> str:
    lines = []
    for source in report.bundle.card.training.get("data", []):
        counts = ", ".join(f"{count:,} {part}" for part, count in source["patches"].items())
        rule = source["split"]
        how = "its own split" if rule["kind"] == "official" else f"hashed by {rule['by']}, seed {rule['seed']}"
        lines.append((_text(source["name"]), counts, how, f"`{source['fingerprint']}`"))
    trained = _table(("data set", "patches", "split", "fingerprint"), lines) if lines else "Not known."
    scored = report.scored
    slides = f", {report.evaluation.slides} slides" if report.evaluation.slides else ", slides unknown"
    synthetic = " **Synthetic demo data.**" if report.dataset.is_synthetic else ""
    return (
        f"## Data\n\n### Trained on\n\n{trained}\n\n### Measured on\n\n{_text(report.dataset.name)}, "
        f"{_text(scored.part)}: {report.evaluation.n:,} patches ({report.evaluation.positives:,} tumour{slides}); "
        f"{scored.unreadable:,} unreadable ones left out. Fingerprint `{report.dataset.fingerprint()}`.{synthetic}"
    )


def _figures(report: EvaluationReport) -> str:
    evaluation = report.evaluation
    unit = f"{evaluation.slides} slides" if evaluation.resampled == "slide" else "patches"
    rows = [(FIGURES[name].label, *_columns(each)) for name, each in evaluation.figures.items()]
    matrix = evaluation.confusion
    cells = _table(
        ("", "called normal", "called tumour"),
        [("is normal", f"{matrix.tn:,}", f"{matrix.fp:,}"), ("is tumour", f"{matrix.fn:,}", f"{matrix.tp:,}")],
    )
    return (
        f"## Figures\n\nAt the threshold {evaluation.threshold:.4f}; intervals over {unit}.\n\n"
        + _table(("figure", "value", "95 % interval"), rows)
        + f"\n\n{cells}"
    )


def _calibration(report: EvaluationReport) -> str:
    card, diagram = report.bundle.card, report.calibration()
    rows = [
        (f"{low:.2f} to {high:.2f}", f"{count:,}", f"{mean:.3f}", f"{seen:.3f}")
        for low, high, count, mean, seen in zip(
            diagram.lower, diagram.upper, diagram.count, diagram.mean_probability, diagram.observed, strict=True
        )
    ]
    return (
        f"## Calibration\n\nTemperature {card.calibration.temperature:.3f}, bias {card.calibration.bias:+.3f}; "
        f"expected calibration error {diagram.ece:.3f}.\n\n"
        + _table(("predicted", "patches", "mean probability", "share with tumour"), rows)
    )


def _slices(report: EvaluationReport) -> str:
    if not report.slices:
        return ""
    parts = ["## Slices", "Intervals over patches."]
    for kind, found in report.slices.items():
        rows = [
            (_text(name), f"{each.n:,}{' (few)' if each.is_small else ''}", *(str(each.figures[one]) for one in SHOWN))
            for name, each in found
        ]
        parts += [f"### {KINDS[kind].label}", KINDS[kind].help]
        parts.append(_table(("slice", "n", *(FIGURES[one].label for one in SHOWN)), rows))
    return "\n\n".join(parts)


def _checks(report: EvaluationReport) -> str:
    lines = []
    if report.audit is not None:
        lines.append(f"- Centre audit: {report.audit.sentence}")
    if report.leak is not None:
        lines.append(f"- Leak meter: {report.leak.sentence()}")
    return "## Checks\n\n" + "\n".join(lines) if lines else ""


def _limits(report: EvaluationReport) -> str:
    notes = [_text(note) for note in report.bundle.card.notes]
    if report.evaluation.resampled == "patch":
        notes.append("Slides are unknown: the intervals take patches as independent and are too narrow for new slides.")
    if report.dataset.is_synthetic:
        notes.append("Measured on synthetic patches: the figures say nothing about real tissue.")
    notes.append("Figures from one source need not hold for another scanner, laboratory or hospital.")
    return "## Limits\n\n" + "\n".join(f"- {note}" for note in notes)


def _versions(report: EvaluationReport) -> str:
    trained = report.bundle.card.training.get("versions", {})
    versions: dict[str, Any] = {
        "nodescope": core.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    rows = [(name, str(trained.get(name, "unknown")), str(value)) for name, value in versions.items()]
    return (
        "## Versions\n\n"
        + _table(("", "trained with", "measured with"), rows)
        + f"\n\n{report.day.isoformat()}. {RESEARCH_ONLY}"
    )


def _columns(each: Estimate) -> tuple[str, str]:
    value = f"{each.value:.4f}" if each.is_defined else "undefined"
    return value, f"{each.low:.4f} – {each.high:.4f}" if each.has_interval else "unknown"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _text(value: str) -> str:
    """Keep a name from being read as Markdown or HTML."""
    for character in "\\`*_[]<>|#":
        value = value.replace(character, "\\" + character)
    return " ".join(value.split())
