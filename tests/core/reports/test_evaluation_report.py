import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from core.bundle import Bundle
from core.data import Dataset
from core.prediction import Predictor
from core.reports.evaluation import (
    EvaluationReport,
    make_report,
    model_card_html,
    model_card_markdown,
    report_html,
)
from core.reports.evaluation_blocks import Bullets, Heading, Paragraph, Table, to_html, to_markdown
from core.scoring.dataset import score


class Outline(HTMLParser):
    """Counts tags and checks that they nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: dict[str, int] = {}

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def report(small_demo: Dataset, tiny_bundle: Bundle) -> EvaluationReport:
    scored = score(Predictor(tiny_bundle, device="cpu"), small_demo, split="all")
    return make_report(tiny_bundle, small_demo, scored, 0.4)


def test_the_card_says_what_a_card_must(report: EvaluationReport) -> None:
    card = model_card_markdown(report)
    headings = re.findall(r"^## (.+)$", card, re.MULTILINE)
    assert headings == ["Model", "Intended use", "Data", "Figures", "Calibration", "Slices", "Limits", "Versions"]
    assert "Research use only. Not for diagnosis." in card
    assert f"144 patches ({report.evaluation.positives} tumour, 12 slides)" in card
    assert "Synthetic demo data." in card
    assert "Temperature 2.000 and bias +0.250" in card
    auc = report.evaluation.metrics["auc"]
    assert f"| AUC | {auc.value:.4f} | {auc.low:.4f} – {auc.high:.4f} |" in card
    matrix = report.evaluation.confusion
    assert f"| is tumour | {matrix.fn} | {matrix.tp} |" in card


def test_the_report_is_one_file_that_asks_for_nothing(report: EvaluationReport) -> None:
    page = report_html(report)
    assert page.count("Plotly.newPlot(") == 6
    outside = page.split("</script>", 1)[1]  # plotly's own source names addresses in comments
    assert not re.search(r'(src|href)="?http', outside)
    assert not re.search(r"<script[^>]+src=", page)
    assert "<link" not in page


def test_the_card_as_a_page_is_small_and_nests(report: EvaluationReport) -> None:
    page = model_card_html(report)
    assert len(page) < 40_000
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert outline.seen["h1"] == 1
    assert "Plotly" not in page


def test_names_from_elsewhere_are_text(report: EvaluationReport, tiny_bundle: Bundle) -> None:
    evil = "<script>alert(1)</script> | *x*"
    named = replace(report, bundle=Bundle(tiny_bundle.card.with_changes(name=evil), tiny_bundle.weights))
    assert "<script>alert" not in model_card_html(named)
    assert r"\<script\>alert(1)\</script\> \| \*x\*" in model_card_markdown(named)


def test_one_class_gives_a_report_without_curves(report: EvaluationReport) -> None:
    keep = report.scored.labels == 1
    scored = replace(
        report.scored,
        rows=report.scored.rows[keep],
        labels=report.scored.labels[keep],
        logits=report.scored.logits[keep],
        probabilities=report.scored.probabilities[keep],
        slides=report.scored.slides[keep],
        appearance=report.scored.appearance.subset(np.flatnonzero(keep)),
    )
    one = make_report(report.bundle, report.dataset, scored, 0.4)
    assert "| AUC | undefined |" in model_card_markdown(one)
    assert report_html(one).count("Plotly.newPlot(") == 3


def test_blocks_are_written_as_both() -> None:
    blocks = [Heading(2, "A & B"), Paragraph("x < y"), Bullets(["one", "two"]), Table(("a", "b"), [("1", "2|3")])]
    assert to_markdown(blocks) == "## A & B\n\nx \\< y\n\n- one\n- two\n\n| a | b |\n| --- | --- |\n| 1 | 2\\|3 |\n"
    page = to_html(blocks, title="t")
    assert "<h2>A &amp; B</h2>\n<p>x &lt; y</p>\n<ul><li>one</li><li>two</li></ul>" in page
    assert "<tbody><tr><td>1</td><td>2|3</td></tr></tbody>" in page
