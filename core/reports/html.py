"""Pieces of a self-contained HTML page: no scripts, nothing loaded from elsewhere, everything escaped."""

import base64
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

import core

RESEARCH_ONLY = "Research use only. Not a medical device; not for diagnosis."

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.quiet { opacity: .75; font-size: .87rem; } .only { border: 1px solid var(--line); padding: .4rem .7rem; }
.row { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; max-width: 24rem; }
figcaption { font-size: .85rem; opacity: .8; } img { image-rendering: pixelated; max-width: 100%; display: block; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .25rem .6rem;
border-bottom: 1px solid var(--line); overflow-wrap: anywhere; } th { font-weight: 600; }
.tumour { color: #d7263d; } .normal { color: #1b9e77; } .doubt { background: #e69f0022; border-left: 4px solid #e69f00;
padding: .5rem .8rem; }
@media print { body { margin: 0; max-width: none; } }
"""


def document(title: str, parts: Iterable[str]) -> str:
    """Return a whole HTML page.

    Args:
        title: its heading, plain text.
        parts: HTML of its parts, from the functions of this module.
    """
    made = f"Nodescope {core.__version__} · {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; style-src '
        f"'unsafe-inline'\">\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        f'<p class="quiet">{escape(made)}</p>\n<p class="only">{RESEARCH_ONLY}</p>\n{body}\n'
        f'<p class="quiet">{RESEARCH_ONLY}</p>\n</body>\n</html>\n'
    )


def heading(text: str) -> str:
    """Return a section's heading."""
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str, *, kind: str = "") -> str:
    """Return a paragraph; `kind` is a class of the style sheet, such as "quiet" or "doubt"."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def figure(png: bytes, *, alt: str, caption: str = "") -> str:
    """Return a picture, its bytes inside the page."""
    source = base64.b64encode(png).decode()
    return (
        f'<figure><img alt="{escape(alt)}" src="data:image/png;base64,{source}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def row(parts: Iterable[str]) -> str:
    """Return parts side by side, wrapped where the page is narrow."""
    return f'<div class="row">{"".join(parts)}</div>'


def pairs(values: Iterable[tuple[str, object]]) -> str:
    """Return a table of two columns, name and value."""
    lines = (f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in values)
    return f"<table>{''.join(lines)}</table>"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table with a line of headings."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    lines = ("".join(f"<td>{escape(str(value))}</td>" for value in line) for line in rows)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
