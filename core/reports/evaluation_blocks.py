"""A document as a list of blocks, written as Markdown or as HTML; each escapes what is in it."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

_MARKDOWN = "\\`*_[]<>|#"

_STYLE = """
:root { color-scheme: light dark; --line: #d0d0cc; --quiet: #666; --ground: #fbfbfa; --text: #1e1e1c }
@media (prefers-color-scheme: dark) { :root { --line: #3a3a3e; --quiet: #a0a0a0; --ground: #161617; --text: #eaeae8 } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
       background: var(--ground); color: var(--text) }
h1 { font-size: 1.6rem } h2 { font-size: 1.25rem; margin-top: 2rem; border-top: 1px solid var(--line);
     padding-top: 1rem } h3 { font-size: 1.05rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0 1rem }
td, th { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
blockquote { margin: 0; color: var(--quiet) }
.charts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem }
@media (max-width: 44rem) { .charts { grid-template-columns: minmax(0, 1fr) } }
.chart { background: #fff; border-radius: 4px; padding: .5rem; overflow: hidden }
@media print { body { max-width: none } .chart { break-inside: avoid } }
"""


@dataclass(frozen=True)
class Heading:
    """A heading of level 1, 2 or 3."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Quote:
    """A remark set apart."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table; every row is as long as the head."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Charts:
    """Plots side by side; left out of Markdown."""

    figures: Sequence[go.Figure]


Block = Heading | Paragraph | Quote | Bullets | Table | Charts


def to_markdown(blocks: Sequence[Block]) -> str:
    """Return the document as Markdown."""
    parts = [_markdown(block) for block in blocks if not isinstance(block, Charts)]
    return "\n\n".join(parts) + "\n"


def to_html(blocks: Sequence[Block], *, title: str) -> str:
    """Return the document as one HTML file that needs nothing else, also without a network.

    Where there are plots, plotly.js (about 4.7 MB) is written into the file once.
    """
    script = f"<script>{get_plotlyjs()}</script>" if any(isinstance(block, Charts) for block in blocks) else ""
    body = "\n".join(_html(block) for block in blocks)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style>{script}</head>\n'
        f"<body>\n{body}\n</body></html>\n"
    )


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return "#" * block.level + " " + _escaped(block.text)
    if isinstance(block, Quote):
        return "> " + _escaped(block.text)
    if isinstance(block, Bullets):
        return "\n".join("- " + _escaped(line) for line in block.lines)
    if isinstance(block, Table):
        rows = [block.head, *block.rows]
        lines = ["| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows]
        return "\n".join([lines[0], "|" + " --- |" * len(block.head), *lines[1:]])
    return _escaped(block.text) if isinstance(block, Paragraph) else ""


def _escaped(text: str) -> str:
    for character in _MARKDOWN:
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{html.escape(block.text)}</h{block.level}>"
    if isinstance(block, Quote):
        return f"<blockquote>{html.escape(block.text)}</blockquote>"
    if isinstance(block, Bullets):
        return "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in block.lines) + "</ul>"
    if isinstance(block, Table):
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in block.head)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in block.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    if isinstance(block, Charts):
        return '<div class="charts">' + "".join(_chart(figure) for figure in block.figures) + "</div>"
    return f"<p>{html.escape(block.text)}</p>"


def _chart(figure: go.Figure) -> str:
    # "svg" as the format: the button above each plot saves a picture that can be enlarged without loss.
    config = {
        "displaylogo": False,
        "responsive": True,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": "svg"},
    }
    figure = go.Figure(figure).update_layout(template="plotly_white")
    inner: str = figure.to_html(full_html=False, include_plotlyjs=False, config=config)
    return f'<div class="chart">{inner}</div>'
