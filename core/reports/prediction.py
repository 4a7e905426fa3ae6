"""The report of one prediction: patch, answer, maps, checks, bundle and settings in one HTML file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from core.attribution import METHODS, Attribution
from core.bundle import INTENDED_USE, Bundle
from core.display import enlarge, to_png, with_centre_box
from core.evaluation import METRICS
from core.formatting import percent
from core.prediction.result import PatchResult
from core.reports import html
from core.reports.map_settings import OverlaySettings

ZOOM = 4


@dataclass(frozen=True, eq=False)
class ShownMap:
    """A map with what is known about it.

    Attributes:
        attribution: what it shows.
        checks: (name, sentence) of each trust figure that was measured.
    """

    attribution: Attribution
    checks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class PredictionReport:
    """All that the report of one prediction holds.

    Attributes:
        name: the patch's name, for people.
        answer: what the bundle says of it.
        bundle: which bundle.
        maps: the maps, in the order they are shown.
        look: how they are drawn.
        notes: what was done to the image before, a sentence each.
        label: "tumour", "normal" or empty where it is not known.
        settings: further settings to write down, such as those of the attribution.
    """

    name: str
    answer: PatchResult
    bundle: Bundle
    maps: tuple[ShownMap, ...] = ()
    look: OverlaySettings = field(default_factory=OverlaySettings)
    notes: tuple[str, ...] = ()
    label: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_html(self) -> str:
        """Return the page: self-contained, without scripts, with "research use only"."""
        parts = [*self._answer(), *self._pictures(), *self._checks(), *self._bundle(), *self._settings()]
        return html.document(f"Prediction for {self.name}", parts)

    def _answer(self) -> list[str]:
        answer = self.answer
        side = "at or above" if answer.is_tumour else "below"
        values: list[tuple[str, object]] = [
            ("Probability of tumour in the centre", f"{percent(answer.probability)} (exactly {answer.probability!r})"),
            ("Verdict", f"{answer.verdict}, {side} the threshold {answer.threshold:.4f}"),
            ("In validation", answer.operating_sentence),
            ("Eight flips and turns", answer.tta.sentence),
            ("Logit", f"{answer.logit!r}"),
        ]
        if self.label:
            values.append(("Label", f"{self.label}: the verdict is {_right(self.label == answer.verdict)}"))
        kind = "doubt" if answer.ood else ""
        return [html.heading("Answer"), html.pairs(values), html.paragraph(answer.ood.sentence, kind=kind)]

    def _pictures(self) -> list[str]:
        patch = with_centre_box(enlarge(self.answer.pixels, ZOOM), zoom=ZOOM)
        shown = [
            html.figure(to_png(patch), alt="The patch", caption=_caption("The patch as the model sees it.", self.notes))
        ]
        for item in self.maps:
            method = METHODS[item.attribution.method]
            caption = f"{method.label}. {method.help} {self.look.legend(item.attribution)} ({method.source})"
            shown.append(html.figure(to_png(self._drawn(item)), alt=f"{method.label} over the patch", caption=caption))
        words = "A map shows what moved the model, not where tumour is. The box is the centre that the answer is about."
        return [html.heading("Patch and maps"), html.row(shown), html.paragraph(words, kind="quiet")]

    def _drawn(self, item: ShownMap) -> npt.NDArray[np.uint8]:
        return self.look.draw(item.attribution, self.answer.pixels, zoom=ZOOM)

    def _checks(self) -> list[str]:
        parts = []
        for item in self.maps:
            if item.checks:
                parts += [html.heading(f"How far to trust {METHODS[item.attribution.method].label}")]
                parts += [html.pairs(item.checks)]
        return parts

    def _bundle(self) -> list[str]:
        card = self.bundle.card
        values: list[tuple[str, object]] = [
            ("Name", f"{card.name} ({self.bundle.digest})"),
            ("Network", card.model),
            ("Calibration", f"temperature {card.calibration.temperature:.4f}, bias {card.calibration.bias:+.4f}"),
            ("Its own threshold", f"{card.threshold:.4f}"),
        ]
        for measurement in card.measured:
            figures = "; ".join(
                f"{METRICS[name].label} {estimate}" for name, estimate in measurement.evaluation.metrics.items()
            )
            values.append((f"{measurement.data}, {measurement.split}, n = {measurement.evaluation.n}", figures))
        values += [("Note", note) for note in card.notes]
        return [html.heading("Model"), html.pairs([*values, ("Intended use", INTENDED_USE)])]

    def _settings(self) -> list[str]:
        values = {**self.look.to_json(), **self.settings}
        listed = [(name, json.dumps(value, ensure_ascii=False)) for name, value in values.items()]
        return [html.heading("Settings"), html.pairs(listed)]


def _right(is_right: bool) -> str:
    return "right" if is_right else "wrong"


def _caption(text: str, notes: tuple[str, ...]) -> str:
    return " ".join((text, *notes))
