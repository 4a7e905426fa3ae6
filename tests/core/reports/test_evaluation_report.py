"""The report and the card of an evaluation: complete, self-contained, and escaped."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import core
from core.bundle import Bundle
from core.data import Dataset
from core.prediction import Predictor
from core.reports.document import Bullets, Document, Heading, Pairs, Paragraph, Picture, Pictures, Table, _template
from core.reports.evaluation import (
    EvaluationReport,
    make_report,
    model_card_html,
    model_card_markdown,
    report_html,
)
from core.scoring.dataset import score


class Outline(HTMLParser):
    """Counts tags and checks that they nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: dict[str, int] = {}

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1
        if tag not in ("meta", "br", "img"):
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
    assert headings == ["Model", "Intended use", "Data", "Metrics", "Calibration", "Subgroups", "Limits", "Versions"]
    assert "> Research use only. Not a medical device; not for diagnosis." in card
    assert f"144 patches ({report.evaluation.positives} tumour, 12 slides)" in card
    assert "Synthetic demo data." in card
    assert "Temperature 2.000 and bias +0.250" in card
    auc = report.evaluation.metrics["auc"]
    assert f"| AUC | {auc.value:.3f} | {auc.low:.3f}–{auc.high:.3f} |" in card
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
    for page in (model_card_html(named), report_html(named)):
        assert "<script>alert" not in page
        assert page.count("&lt;script&gt;alert(1)&lt;/script&gt; | *x*") == 3  # title, heading, table
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
    blocks = [
        Heading(2, "A & B"), Paragraph("x < y"), Paragraph("&", "quiet"), Bullets(["one", "<two>"]), Pairs([("a<", 1)]),
        Table(("a", "<b>"), [("1", "2|3")]), Pictures([Picture(b"png", 'a "quoted" <patch>', "<c>")]),
    ]  # fmt: skip
    document = Document("t & <u>", blocks, datetime(2026, 11, 29, 9, 5, tzinfo=UTC))
    made = f"Nodescope {core.__version__} · 2026-11-29 09:05 UTC"
    notice = "Research use only. Not a medical device; not for diagnosis."
    assert document.to_markdown() == (
        f"# t & \\<u\\>\n\n> {notice}\n\n{made}\n\n## A & B\n\nx \\< y\n\n&\n\n- one\n- \\<two\\>\n\n"
        "|  |  |\n| --- | --- |\n| a\\< | 1 |\n\n| a | \\<b\\> |\n| --- | --- |\n| 1 | 2\\|3 |\n"
    )
    page = document.to_html()
    assert "<title>t &amp; &lt;u&gt;</title>" in page
    assert f'<h1>t &amp; &lt;u&gt;</h1>\n<p class="quiet">{made}</p>\n<p class="notice">{notice}</p>' in page
    assert '<h2>A &amp; B</h2>\n<p>x &lt; y</p>\n<p class="quiet">&amp;</p>' in page
    assert "<ul><li>one</li><li>&lt;two&gt;</li></ul>\n" in page
    assert "<tr><th>a&lt;</th><td>1</td></tr></table>" in page
    assert "<th>&lt;b&gt;</th></tr></thead><tbody><tr><td>1</td><td>2|3</td></tr></tbody>" in page
    picture = 'alt="a &#34;quoted&#34; &lt;patch&gt;" src="data:image/png;base64,cG5n"'
    assert f"<figure><img {picture}><figcaption>&lt;c&gt;</figcaption></figure>" in page
    assert "script" not in page
    assert page.endswith(f'<p class="quiet">{notice}</p>\n</body>\n</html>')


def test_a_report_is_written_from_any_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _template.cache_clear()
    monkeypatch.chdir(tmp_path)
    assert "<p>here</p>" in Document("t", [Paragraph("here")]).to_html()
