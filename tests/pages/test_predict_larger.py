"""The Predict page without a browser: pictures larger than a patch, in tiles and as a map."""

import numpy as np
import pytest

from core.bundle import load_bundle
from core.display import to_png
from core.prediction import Predictor
from core.prediction.region import read_region
from tests.pages.driver import Page, region


def test_a_larger_picture_is_predicted_in_tiles_and_the_most_suspicious_is_explained(predict: Page) -> None:
    picture = region()
    predict.file_uploader[0].set_value([("region.png", to_png(picture), "image/png")]).run()
    assert not predict.exception
    assert predict.expander[0].label.startswith("The image has 298×202 pixels")
    predict.one("button_group", "Predict").set_value("tiles").run()
    assert not predict.exception
    assert "6 tiles." in predict.words()
    assert next(each.value for each in predict.metric if each.label == "Tiles") == "6"
    tiles = [picture[y : y + 96, x : x + 96] for y in (5, 101) for x in (5, 101, 197)]
    found = Predictor(load_bundle(), device="cpu").predict(np.stack(tiles)).probabilities
    helps = [element.help for element in predict.markdown if element.help]
    assert any(repr(float(found.max())) in text for text in helps)


@pytest.mark.parametrize(("model", "step"), [("nodescope", 32), ("nodescope-net", 8)])
def test_every_model_draws_a_map_of_a_larger_picture(predict: Page, model: str, step: int) -> None:
    picture = region()
    predict.one("selectbox", "Model").set_value(f"shipped:{model}").run()
    predict.file_uploader[0].set_value([("region.png", to_png(picture), "image/png")]).run()
    predict.one("button_group", "Predict").set_value("tiles").run()
    predict.one("button_group", "Show").set_value("map").run()
    assert not predict.exception
    expected = read_region(Predictor(load_bundle(model), device="cpu"), picture)
    assert f"**{expected.share():.1%}** of the tissue in the grey frame is called tumour" in predict.words()
    assert f"{expected.tissue_share():.1%} of the frame is tissue" in predict.words()
    assert f"one every {step} pixels" in predict.words()


def test_a_tile_of_glass_has_no_tissue_and_is_never_called_tumour(predict: Page) -> None:
    picture = region()
    picture[5:101, 5:197] = 238
    predict.file_uploader[0].set_value([("region.png", to_png(picture), "image/png")]).run()
    predict.one("button_group", "Predict").set_value("tiles").run()
    predict.one("slider", "Decision threshold").set_value(0.0).run()
    assert not predict.exception
    shown = predict.metrics()
    assert (shown["Tiles"], shown["No tissue"]) == ("6", "2")
    assert int(shown["Called tumour"]) + int(shown["Out-of-distribution"]) == 4
    # The picture is there once: as the chart, and not as a preview of the tiles too.
    assert len(predict.get("plotly_chart")) == 2


def test_a_picture_is_rescaled_to_the_scale_that_the_model_knows(predict: Page) -> None:
    fine = region().repeat(2, axis=0).repeat(2, axis=1)
    predict.file_uploader[0].set_value([("fine.png", to_png(fine), "image/png")]).run()
    next(each for each in predict.number_input if "µm per pixel" in each.label).set_value(0.485).run()
    assert not predict.exception
    assert "Rescaled from 0.485 to 0.97 µm per pixel: 596×404 became 298×202 pixels." in predict.words()
    assert "Cropped the centre 96×96 of 298×202 pixels." in predict.words()
    next(each for each in predict.number_input if "µm per pixel" in each.label).set_value(0.1).run()
    assert "Got 61×41 pixels at 0.97 µm per pixel" in predict.words()
