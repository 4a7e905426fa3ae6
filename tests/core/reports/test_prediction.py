"""The report of a prediction: everything in one file, and nothing that could run or be fetched."""

import re

import numpy as np
import pytest

from core.attribution import AttributionOptions, attribute
from core.bundle import Bundle
from core.data import Dataset
from core.errors import ConfigError
from core.prediction import Predictor
from core.prediction.result import predict_patch
from core.reports.checks import quick_checks
from core.reports.map_settings import OverlaySettings
from core.reports.prediction import PredictionReport, ShownMap


@pytest.fixture(scope="module")
def report(tiny_bundle: Bundle, small_demo: Dataset) -> PredictionReport:
    predictor = Predictor(tiny_bundle, device="cpu")
    patch = small_demo.store.load([0]).pixels[0]
    maps = []
    for method in ("grad-cam", "integrated-gradients"):
        made = attribute(predictor.module, patch, method=method, options=AttributionOptions(steps=4))
        checks = quick_checks(predictor, patch, made)
        maps.append(ShownMap(made, tuple((check.question, check.sentence) for check in checks)))
    return PredictionReport(
        name="<b>evil</b> & co.tif", result=predict_patch(predictor, patch), bundle=tiny_bundle, maps=tuple(maps),
        notes=("Cropped the centre 96×96 of 200×200 pixels.", "<i>note</i>"), label="tumour", settings={"steps": 4},
    )  # fmt: skip


def test_the_report_holds_result_maps_bundle_settings_and_the_warning(report: PredictionReport) -> None:
    page = report.to_html()
    for words in (
        f"{report.result.probability:.1%} (exactly {report.result.probability!r})", report.result.verdict,
        report.result.tta.sentence, "Grad-CAM", "Integrated Gradients", "Do the parts add up?", report.bundle.digest,
        "Research use only", "Cropped the centre 96×96", "arXiv:1703.01365", "temperature 2.0000", "opacity",
    ):  # fmt: skip
        assert words in page, words
    assert page.count("data:image/png;base64,") == 3


def test_the_report_is_self_contained_and_escaped(report: PredictionReport) -> None:
    page = report.to_html()
    assert "<b>evil</b>" not in page
    assert "&lt;b&gt;evil&lt;/b&gt; &amp; co.tif" in page
    assert "<i>note" not in page
    assert "&lt;i&gt;note&lt;/i&gt;" in page
    assert "<script" not in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    assert "default-src 'none'" in page


def test_overlay_settings_draw_what_they_say(report: PredictionReport) -> None:
    patch, made = report.result.pixels, report.maps[1].attribution
    bare = OverlaySettings(opacity=0, centre_box=False).draw(made, patch, zoom=1)
    assert (bare == patch).all()
    assert OverlaySettings(sign="signed").map(made).min() < 0
    assert OverlaySettings(sign="absolute").map(made).min() >= 0
    assert OverlaySettings().legend(made) == "Red is evidence for tumour, blue is evidence against it."
    drawn = OverlaySettings(opacity=1).draw(made, patch, zoom=2)
    assert drawn.shape == (192, 192, 3)
    assert np.any(drawn != patch.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize("wrong", [{"opacity": 1.1}, {"percentile": 10}, {"smoothing": -1}, {"sign": "both"}])
def test_wrong_overlay_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError, match="of the overlay must be"):
        OverlaySettings(**wrong)
