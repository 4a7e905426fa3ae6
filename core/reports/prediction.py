"""The report of one prediction: patch, result, saliency maps, checks, bundle and settings in one HTML file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.attribution import METHODS, Attribution
from core.bundle import INTENDED_USE, Bundle
from core.bundle.seen_slides import slides_in_training
from core.display import enlarge, to_png, with_centre_box
from core.evaluation import METRICS
from core.formatting import percent
from core.prediction.result import PatchResult
from core.reports.document import Block, Document, Heading, Pairs, Paragraph, Picture, Pictures
from core.reports.map_settings import OverlaySettings
from core.stain import METHODS as STAIN_METHODS

ZOOM = 4


@dataclass(frozen=True, eq=False)
class ShownMap:
    """A saliency map with what is known about it.

    Attributes:
        attribution: what it shows.
        checks: (question, sentence) of each trust check that was made.
    """

    attribution: Attribution
    checks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class PredictionReport:
    """Everything in the report of one prediction.

    Attributes:
        name: the patch's name, for people.
        result: what the bundle says of it.
        bundle: which bundle.
        maps: the saliency maps, in the order they are shown.
        overlay: how they are drawn.
        notes: what was done to the image before, a sentence each.
        label: "tumour", "normal" or empty where it is not known.
        settings: further settings to write down, such as those of the attribution.
    """

    name: str
    result: PatchResult
    bundle: Bundle
    maps: tuple[ShownMap, ...] = ()
    overlay: OverlaySettings = field(default_factory=OverlaySettings)
    notes: tuple[str, ...] = ()
    label: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_html(self) -> str:
        """Return the page: self-contained, without scripts, with "research use only"."""
        blocks = [*self._result(), *self._pictures(), *self._checks(), *self._bundle(), *self._settings()]
        return Document(f"Prediction for {self.name}", blocks).to_html()

    def _result(self) -> list[Block]:
        result = self.result
        side = "at or above" if result.is_tumour else "below"
        rows: list[tuple[str, object]] = [
            ("Probability of tumour in the centre", f"{percent(result.probability)} (exactly {result.probability!r})"),
            ("Verdict", f"{result.verdict}, {side} the threshold {result.threshold:.4f}"),
            ("In validation", result.operating_sentence),
            ("Test-time augmentation", result.tta.sentence),
            ("Logit", repr(result.logit)),
        ]
        if self.label:
            right = "right" if self.label == result.verdict else "wrong"
            rows.append(("Label", f"{self.label}: the verdict is {right}"))
        return [Heading(2, "Result"), Pairs(rows), Paragraph(result.ood.sentence, "warning" if result.ood else "")]

    def _pictures(self) -> list[Block]:
        pixels = self.result.pixels
        patch = to_png(with_centre_box(enlarge(pixels, ZOOM), zoom=ZOOM))
        pictures = [Picture(patch, "The patch", " ".join(("The patch as the model sees it.", *self.notes)))]
        for item in self.maps:
            method = METHODS[item.attribution.method]
            caption = f"{method.label}. {method.help} {self.overlay.legend(item.attribution)} ({method.source})"
            drawn = to_png(self.overlay.draw(item.attribution, pixels, zoom=ZOOM))
            pictures.append(Picture(drawn, f"{method.label} over the patch", caption))
        caveat = (
            "A saliency map shows what moved the model, not where tumour is. The box marks the centre: the probability "
            "is about tumour inside it."
        )
        return [Heading(2, "Patch and saliency maps"), Pictures(pictures), Paragraph(caveat, "quiet")]

    def _checks(self) -> list[Block]:
        blocks: list[Block] = []
        for item in self.maps:
            if item.checks:
                blocks += [Heading(2, f"How far to trust {METHODS[item.attribution.method].label}"), Pairs(item.checks)]
        return blocks

    def _bundle(self) -> list[Block]:
        card = self.bundle.card
        rows: list[tuple[str, object]] = [
            ("Name", f"{card.name} ({self.bundle.digest})"),
            ("Network", card.model),
            ("Calibration", f"temperature {card.calibration.temperature:.4f}, bias {card.calibration.bias:+.4f}"),
            ("Its own threshold", f"{card.threshold:.4f}"),
        ]
        if card.stain is not None:
            rows.append(("Stain normalisation", f"{STAIN_METHODS[card.stain.method]}, before the network sees a patch"))
        for measurement in card.measured:
            estimates = measurement.evaluation.metrics.items()
            metrics = "; ".join(f"{METRICS[name].label} {estimate}" for name, estimate in estimates)
            about = f"{measurement.data}, {measurement.split}, n = {measurement.evaluation.n}"
            rows.append((about, f"{metrics}; slides in training: {slides_in_training(card, measurement)}"))
        rows += [("Note", note) for note in card.notes]
        return [Heading(2, "Model"), Pairs([*rows, ("Intended use", INTENDED_USE)])]

    def _settings(self) -> list[Block]:
        values = {**self.overlay.to_json(), **self.settings}
        rows = [(name, json.dumps(value, ensure_ascii=False)) for name, value in values.items()]
        return [Heading(2, "Settings"), Pairs(rows)]
