"""A document as a list of blocks, written as one HTML file or as Markdown; each escapes the text that is in it."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

import core
from core.formatting import NOT_A_DEVICE

if TYPE_CHECKING:
    import plotly.graph_objects as go

# The backslash comes first, or it would escape those that were put before the others.
_MARKDOWN = "\\`*_[]<>|#"


@dataclass(frozen=True)
class Heading:
    """A heading of level 2 or 3; level 1 is the document's title."""

    kind: ClassVar = "heading"
    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; `style` is "", "quiet" or "warning"."""

    kind: ClassVar = "paragraph"
    text: str
    style: str = ""


@dataclass(frozen=True)
class Bullets:
    """A list."""

    kind: ClassVar = "bullets"
    lines: Sequence[str]


@dataclass(frozen=True)
class Pairs:
    """A table of names and values without a head."""

    kind: ClassVar = "pairs"
    rows: Sequence[tuple[str, object]]


@dataclass(frozen=True)
class Table:
    """A table; every row is as long as the head."""

    kind: ClassVar = "table"
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A PNG with its text for people who cannot see it, and what stands below it."""

    png: bytes
    alt: str
    caption: str = ""

    @property
    def source(self) -> str:
        """The picture as a data URL, so that the page needs no second file."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side; not in Markdown."""

    kind: ClassVar = "pictures"
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Charts:
    """Plots side by side; not in Markdown."""

    kind: ClassVar = "charts"
    figures: Sequence["go.Figure"]

    def html(self) -> list[Markup]:
        """Return each plot as HTML that needs plotly.js in the page."""
        # "svg" as the format: the button above each plot saves a picture that can be enlarged without loss.
        config = {
            "displaylogo": False,
            "responsive": True,
            "modeBarButtons": [["toImage"]],
            "toImageButtonOptions": {"format": "svg"},
        }
        # Here, because a command that writes no plots should not wait for plotly.
        import plotly.graph_objects as go

        from core.reports.chart_theme import PAPER

        on_paper = [go.Figure(each).update_layout(template=PAPER) for each in self.figures]
        return [Markup(each.to_html(full_html=False, include_plotlyjs=False, config=config)) for each in on_paper]


Block = Heading | Paragraph | Bullets | Pairs | Table | Pictures | Charts


@dataclass(frozen=True)
class Document:
    """A report or a card; both forms carry its date, Nodescope's version and "research use only".

    Attributes:
        title: plain text.
        blocks: what it holds, in order.
        made: when.
    """

    title: str
    blocks: Sequence[Block]
    made: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def _made(self) -> str:
        return f"Nodescope {core.__version__} · {self.made:%Y-%m-%d %H:%M} UTC"

    def to_html(self) -> str:
        """Return one HTML file that fetches nothing, also where there is a network.

        Where there are plots, plotly.js (about 4.7 MB) is written into the file once; else there is no script at all.
        """
        script = ""
        if any(isinstance(block, Charts) for block in self.blocks):
            from plotly.offline import get_plotlyjs

            script = Markup(get_plotlyjs())
        return _template().render(
            title=self.title, made=self._made, notice=NOT_A_DEVICE, blocks=self.blocks, plotly_js=script
        )

    def to_markdown(self) -> str:
        """Return the document as Markdown, without pictures and plots."""
        head = [f"# {_escaped(self.title)}", f"> {_escaped(NOT_A_DEVICE)}", _escaped(self._made)]
        return "\n\n".join([*head, *filter(None, map(_markdown, self.blocks))]) + "\n"


@cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    return environment.get_template("report.html.j2")


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return "#" * block.level + " " + _escaped(block.text)
    if isinstance(block, Paragraph):
        return _escaped(block.text)
    if isinstance(block, Bullets):
        return "\n".join("- " + _escaped(line) for line in block.lines)
    if isinstance(block, Pairs):
        block = Table(("", ""), [(name, str(value)) for name, value in block.rows])
    if not isinstance(block, Table):
        return ""
    lines = ["| " + " | ".join(map(_escaped, row)) + " |" for row in (block.head, *block.rows)]
    return "\n".join([lines[0], "|" + " --- |" * len(block.head), *lines[1:]])


def _escaped(text: str) -> str:
    for character in _MARKDOWN:
        text = text.replace(character, "\\" + character)
    # A line break would end a row of a table or an item of a list.
    return " ".join(text.split())
