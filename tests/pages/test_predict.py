"""The Predict page without a browser: one patch, an address, a batch, a picture of something else."""

import base64
import io
import zipfile

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from core.bundle import load_bundle
from core.bundle.prevalence import with_prevalence
from core.commands import main
from core.data import open_demo
from core.display import to_jpeg, to_png
from core.formatting import percent
from core.images import decode
from core.prediction import Predictions, Predictor
from core.stain import METHODS, normalise, reference_of
from pages._ui import state, widgets
from pages._ui.predict import batch, upload
from pages._ui.predict.upload import example_rows
from tests.pages.driver import Page, region


def test_a_first_visit_shows_an_example_with_prediction_and_map(predict: Page) -> None:
    shown = predict.words()
    assert "Probability of tumour in the centre" in shown
    assert "Verdict:" in shown
    assert "Label:" in shown
    assert "Flipped and rotated, the patch gets" in shown
    assert "Does it look at the centre?" in shown
    assert "A saliency map shows what influenced the model, not where tumour is." in shown


def test_another_example_is_another_patch_and_stands_in_the_address(predict: Page) -> None:
    chosen = str(open_demo().table["id"].iloc[upload.example_rows(open_demo())[2]])
    # A click on a thumbnail reaches the page through the component, which needs a browser; this is what it does then.
    predict.session_state["patch"] = chosen
    predict.run()
    assert not predict.exception
    assert f"{chosen} · 96×96 pixels" in predict.words()
    assert predict.get_by_key("patch").value == chosen


def test_a_shared_address_shows_its_patch_at_once(app: Page) -> None:
    app.open("predict", patch="demo-s26-p004")
    assert "demo-s26-p004 · 96×96 pixels" in app.words()


def test_the_probability_is_that_of_the_predictor(predict: Page) -> None:
    demo, predictor = open_demo(), Predictor(load_bundle(), device="cpu")
    predict.session_state["patch"] = str(demo.table["id"].iloc[100])
    predict.run()
    expected = float(predictor.predict(demo.store.load([100]).pixels).probabilities[0])
    helps = [element.help for element in predict.markdown if element.help]
    assert any(repr(expected) in text for text in helps)


def test_an_unknown_id_says_what_to_do(predict: Page) -> None:
    predict.session_state["patch"] = "nobody"
    predict.run()
    assert not predict.exception
    assert "has no patch with the id nobody. An id looks like demo\\-s" in predict.words()


def test_the_path_of_a_patch_is_as_good_as_its_id(predict: Page) -> None:
    predict.session_state["patch"] = "/somewhere/demo-s26-p004.tif"
    predict.run()
    assert "demo-s26-p004 · 96×96 pixels" in predict.words()


def test_the_threshold_moves_the_verdict(predict: Page) -> None:
    slider = predict.one("slider", "Decision threshold")
    slider.set_value(0.0).run()
    assert "**tumour**] (at or above 0.000)" in predict.words()
    slider = predict.one("slider", "Decision threshold")
    slider.set_value(1.0).run()
    assert "**normal**] (below 1.000)" in predict.words()


def test_two_methods_stand_side_by_side(predict: Page) -> None:
    beside = predict.one("multiselect", "Compare with")
    beside.set_value(["saliency"]).run()
    assert not predict.exception
    words = predict.words()
    assert "**Grad-CAM**" in words
    assert "**Saliency**" in words
    # What holds for all of them is said once: each question, and what does not depend on the map.
    for once in ("Does it look at the centre?", "Does the centre decide, or the rim?", "without the centre and"):
        assert words.count(once) == 1
    assert "Grad-CAM: " in words
    assert "Saliency: " in words
    assert predict.labels().count("Run all checks") == 1


def test_everything_is_exported_from_one_menu(predict: Page) -> None:
    assert predict.labels("download_button") == ["Report of this patch", "Grad-CAM as picture", "Grad-CAM as values"]
    predict.file_uploader[0].set_value([("region.png", to_png(region()), "image/png")]).run()
    predict.one("button_group", "Predict").set_value("tiles").run()
    predict.one("button_group", "Show").set_value("map").run()
    assert not predict.exception
    assert predict.labels("download_button") == [
        "All tiles as CSV", "Map as picture", "Map as CSV", "Map as JSON",
        "Report of this patch", "Grad-CAM as picture", "Grad-CAM as values",
    ]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_the_patch_is_shown_in_the_stains_of_a_reference(predict: Page, method: str) -> None:
    demo, predictor = open_demo(), Predictor(load_bundle(), device="cpu")
    pixels = demo.store.load([100, 200]).pixels
    predict.session_state["patch"] = str(demo.table["id"].iloc[100])
    predict.run()
    predict.one("selectbox", "View with normalised stains").set_value(method).run()
    predict.one("text_input", "Reference patch").set_value(str(demo.table["id"].iloc[200])).run()
    assert not predict.exception
    moved = normalise(pixels[0], reference_of(pixels[1], method))
    after, before = (predictor.predict(each[None]).probabilities[0] for each in (moved, pixels[0]))
    assert f"this patch would get **{percent(after)}** instead of {percent(before)}" in predict.words()
    predict.one("text_input", "Reference patch").set_value("nobody").run()
    assert "has no patch with the id nobody. Copy one from Browse." in predict.words()


def test_the_slow_figures_come_on_request(predict: Page) -> None:
    assert "Is it steady?" not in predict.words()
    predict.click("Run all checks")
    assert "Is it steady?" in predict.words()
    assert "Does it show what was learnt?" in predict.words()


def test_similar_patches_come_on_request(predict: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[list[str]] = []
    monkeypatch.setattr("core.job.Job.launch", lambda _, command: launched.append(list(command)))
    predict.click("Find similar patches")
    assert launched[0][:3] == ["neighbours", "--data", "demo"]
    assert main(launched[0]) == 0
    predict.run()
    assert "of 5 are tumour" in predict.words()


def test_an_uploaded_photograph_is_doubted(predict: Page) -> None:
    y, x = np.mgrid[0:96, 0:96]
    sky = np.stack([x, y + 100, 255 - x], axis=-1).clip(0, 255).astype(np.uint8)
    predict.file_uploader[0].set_value([("sky.png", to_png(sky), "image/png")]).run()
    assert not predict.exception
    assert "Out-of-distribution" in predict.words()
    assert "sky.png · 96×96 pixels" in predict.words()


def test_an_upload_that_stands_in_the_data_set_is_recognised_by_its_pixels(predict: Page) -> None:
    dataset = open_demo()
    row = int(np.flatnonzero((dataset.table["split"] == "train") & (dataset.table["label"] == 1))[0])
    upload = to_png(dataset.store.load([row]).pixels[0])
    predict.file_uploader[0].set_value([("mine.png", upload, "image/png")]).run()
    assert not predict.exception
    name = widgets.escaped(str(dataset.table["id"].iloc[row]))
    assert f"These pixels are **{name}** of Synthetic demo" in predict.words()
    assert "train split" in predict.words()
    assert "Label: **tumour**" in predict.words()
    assert "The model was trained on this patch" in predict.words()


def test_a_prevalence_moves_the_probability_and_leaves_the_threshold(predict: Page) -> None:
    predict.set(state.PREDICT_PREVALENCE, 5.0)
    bundle, dataset = load_bundle(), open_demo()
    pixels = dataset.store.load([example_rows(dataset)[0]]).pixels
    moved = Predictor(with_prevalence(bundle, 0.05), device="cpu").predict(pixels)
    assert f"## {percent(float(moved.probabilities[0]))}" in predict.words()
    assert "With tumour in 5.0% of the patches instead of" in predict.words()
    assert predict.one("slider", "Decision threshold").value == round(bundle.card.threshold, 3)


def test_a_broken_file_is_refused_in_a_sentence(predict: Page) -> None:
    predict.file_uploader[0].set_value([("bad.png", b"no image", "image/png")]).run()
    assert not predict.exception
    assert "bad.png: This is text, not an image" in predict.words()


def test_a_zip_becomes_a_table_and_a_list_of_problems(predict: Page) -> None:
    pixels = open_demo().store.load(range(5)).pixels
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, patch in enumerate(pixels):
            archive.writestr(f"p{number}.png", to_png(patch))
        archive.writestr("bad.png", b"no image")
    predict.file_uploader[0].set_value([("many.zip", buffer.getvalue(), "application/zip")]).run()
    assert not predict.exception
    table = predict.dataframe[0].value
    assert predict.table[0].value.index.tolist() == ["many.zip/bad.png"]
    expected = Predictor(load_bundle(), device="cpu").predict(pixels).probabilities
    assert table["probability"].tolist() == [min(100 * each, 99.9) for each in sorted(expected.tolist(), reverse=True)]
    assert next(metric.value for metric in predict.metric) == "5"


def test_a_stopped_batch_keeps_what_is_done_and_goes_on(predict: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "PIECE", 2)
    pixels = open_demo().store.load(range(5)).pixels
    files = [(f"p{number}.png", to_png(patch), "image/png") for number, patch in enumerate(pixels)]
    whole = batch.score_pieces
    files_given: list[int] = []

    def only_the_first(*given: object, **settings: object):
        files_given.append(len(given[1]))
        yield next(whole(*given, **settings))
        st.session_state[state.BATCH_STOPPED] = predict.session_state["batch"][0]  # as a click on Stop
        st.rerun()

    monkeypatch.setattr(batch, "score_pieces", only_the_first)
    predict.file_uploader[0].set_value(files).run()
    assert not predict.exception
    assert "Stopped: 2 of 5 files are done" in predict.words()
    assert len(predict.dataframe[0].value) == 2
    monkeypatch.setattr(batch, "score_pieces", whole)
    predict.click("Continue")
    assert "Stopped" not in predict.words()
    assert files_given == [5]
    expected = Predictor(load_bundle(), device="cpu").predict(pixels).probabilities
    shown = predict.dataframe[0].value["probability"].tolist()
    assert shown == [min(100 * each, 99.9) for each in sorted(expected.tolist(), reverse=True)]


def test_an_upload_is_decoded_once_and_its_patch_predicted_once(predict: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """One upload, then a rerun by another threshold: nothing is read or predicted again."""
    decoded: list[str] = []
    predicted: list[int] = []
    load, forward = decode.load_upright, Predictor.predict

    def counted_load(image: Image.Image) -> tuple[Image.Image, list[str]]:
        decoded.append(image.format or "")
        return load(image)

    def counted_predict(self: Predictor, pixels: np.ndarray, **settings: object) -> Predictions:
        predicted.append(len(pixels))
        return forward(self, pixels, **settings)

    monkeypatch.setattr(decode, "load_upright", counted_load)
    monkeypatch.setattr(Predictor, "predict", counted_predict)
    patch = np.random.default_rng(11).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    predict.file_uploader[0].set_value([("one.png", to_png(patch), "image/png")]).run()
    assert not predict.exception
    assert "one.png · 96×96 pixels" in predict.words()
    assert (decoded, predicted) == (["PNG"], [8])  # the eight views together

    predict.one("slider", "Decision threshold").set_value(0.0).run()
    assert "(at or above 0.000)" in predict.words()
    assert (decoded, predicted) == (["PNG"], [8])

    larger = np.random.default_rng(12).integers(0, 256, (130, 150, 3), dtype=np.uint8)
    predict.file_uploader[0].set_value([("large.png", to_png(larger), "image/png")]).run()
    assert (decoded, predicted) == (["PNG", "PNG"], [8, 8])
    predict.one("slider", "From the left (px)").set_value(3).run()
    assert not predict.exception
    assert "Cropped the place (3, 17) 96×96 of 150×130 pixels." in predict.words()
    assert (decoded, predicted) == (["PNG", "PNG"], [8, 8, 8])  # another patch of the same picture


def test_a_batch_reads_each_file_once(predict: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table keeps its thumbnails; one more file is read for the patch whose row was clicked."""
    decoded: list[int] = []
    load = decode.load_upright
    monkeypatch.setattr(decode, "load_upright", lambda image: (decoded.append(1), load(image))[1])
    pixels = np.random.default_rng(13).integers(0, 256, (4, 96, 96, 3), dtype=np.uint8)
    predict.file_uploader[0].set_value(
        [(f"p{n}.png", to_png(each), "image/png") for n, each in enumerate(pixels)]
    ).run()
    assert not predict.exception
    assert len(decoded) == 4
    shown = predict.dataframe[0].value
    rank = shown["name"].tolist().index("p2.png")
    jpeg = to_jpeg(pixels[2][::2, ::2], quality=85)
    assert shown["patch"].iloc[rank] == "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()

    predict.one("slider", "Decision threshold").set_value(0.0).run()
    assert not predict.exception
    assert len(decoded) == 4
