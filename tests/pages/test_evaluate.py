from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from core.bundle import Bundle
from core.bundle.shipped import DEFAULT
from core.data import open_dataset
from core.data.dataset import make_table
from core.evaluation import confusion_matrix, evaluate, reliability, roc_band
from core.job import Cancelled
from core.prediction import Predictor
from core.scoring import chunks
from core.scoring.job import JobStatus, ScoreJob, SubmissionJob
from core.scoring.store import load_scores, score_and_store
from pages._ui import layout, state
from pages._ui.evaluate import calibration, context, metrics, predictions
from tests.pages.driver import Page

ROOT = Path(__file__).resolve().parents[2]

VIEWS = ("figures", "probabilities", "triage", "slices", "compare", "checks", "export")


def folder(path: Path, labels: dict[str, str]) -> Path:
    """Make a Kaggle folder of random patches with these labels."""
    (path / "train").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in labels:
        Image.fromarray(rng.integers(0, 255, (96, 96, 3), np.uint8)).save(path / "train" / f"{name}.tif")
    (path / "train_labels.csv").write_text("\n".join(["id,label", *(f"{k},{v}" for k, v in labels.items())]))
    return path


@pytest.fixture
def kaggle(tmp_path: Path) -> Path:
    return folder(tmp_path / "kaggle", {f"p{number:02}": str(int(number % 3 == 0)) for number in range(30)})


@pytest.fixture
def page(app: Page, tiny_bundle: Bundle, tmp_path: Path, fresh_home: Path, monkeypatch) -> Page:
    """The Evaluate page with a small bundle in the place of the shipped one; not drawn yet."""
    path = tmp_path / "tiny.safetensors"
    tiny_bundle.save(path)
    monkeypatch.setattr(layout, "SHIPPED", {DEFAULT: path})
    return app


def opened(page: Page, source: Path) -> Page:
    page.session_state[state.DATA] = str(source)
    page.session_state[state.KNOWN_DATA] = ["demo", str(source)]
    page.run()
    return page.switch_page("pages/evaluate.py").run()


def scored_page(page: Page, source: Path) -> Page:
    opened(page, source)
    return page.click("Evaluate")


def test_it_asks_before_it_predicts_and_then_shows_the_figures(page: Page, kaggle: Path, tiny_bundle) -> None:
    opened(page, kaggle)
    assert "has not predicted these 30 patches" in page.words()
    assert not page.metric
    page.click("Evaluate")
    scored = load_scores(tiny_bundle, open_dataset(str(kaggle)), "auto")
    expected = evaluate(scored.labels, scored.probabilities, threshold=0.4)
    assert page.metrics()["AUC"] == f"{expected.metrics['auc'].value:.3f}"
    assert page.metrics()["Sensitivity"] == f"{expected.metrics['sensitivity'].value:.3f}"
    assert "n = 30 patches, 10 with tumour" in page.words()
    assert "slides are unknown" in page.words()
    assert "Shaded: 95% CI of the height of the curve at each place, over 30 patches." in page.words()


@pytest.mark.parametrize(("slides", "is_few"), [(6, True), (24, False), (0, False)])
def test_a_band_over_few_slides_says_why_it_is_wide(slides: int, is_few: bool) -> None:
    labels = np.tile([0, 1], 60)
    probabilities = np.clip(labels * 0.4 + np.random.default_rng(0).uniform(0, 0.6, 120), 0, 1)
    groups = np.repeat(np.arange(slides), 120 // slides) if slides else None
    found = evaluate(labels, probabilities, threshold=0.5, groups=groups)
    words = metrics._shading(found, roc_band(labels, probabilities, groups))
    assert f"over {f'{slides} slides' if slides else '120 patches'}." in words
    assert ("It is wide because these are few" in words) == is_few


def test_the_headline_says_whether_slides_were_in_training(page: Page, kaggle: Path) -> None:
    scored_page(page, kaggle)
    assert "Slides in training: no, as far as the card says." in page.words()


def test_stored_predictions_are_shown_without_a_question(page: Page, kaggle: Path) -> None:
    scored_page(page, kaggle)
    st.cache_resource.clear()
    page.run()
    assert not page.exception
    assert page.metric


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_draws(page: Page, kaggle: Path, view: str) -> None:
    scored_page(page, kaggle)
    page.session_state[context.VIEW] = view
    page.run()
    assert not page.exception
    assert not page.error
    assert ("Matching patches" in [each.value for each in page.subheader]) == (view not in ("checks", "export"))


def test_the_threshold_moves_every_figure_and_targets_set_it(page: Page, kaggle: Path, tiny_bundle) -> None:
    scored_page(page, kaggle)
    scored = load_scores(tiny_bundle, open_dataset(str(kaggle)), "auto")
    line = float(np.median(scored.probabilities))
    page.set(state.THRESHOLD, line)
    matrix = confusion_matrix(scored.labels, scored.probabilities, threshold=line)
    assert page.metrics()["Sensitivity"] == f"{matrix.tp / matrix.positives:.3f}"
    next(each for each in page.button if each.label.startswith("Set the threshold to")).click().run()
    assert page.metrics()["Sensitivity"] == "1.000"  # at least 98% of 10 is all
    page.click("Reset threshold")
    assert page.session_state[state.THRESHOLD] == 0.4


def test_a_cell_shows_its_patches(page: Page, kaggle: Path, tiny_bundle) -> None:
    scored_page(page, kaggle)
    scored = load_scores(tiny_bundle, open_dataset(str(kaggle)), "auto")
    matrix = confusion_matrix(scored.labels, scored.probabilities, threshold=0.4)
    for look, count in (("cell:fn", matrix.fn), ("cell:fp", matrix.fp), ("cell:tp", matrix.tp), ("cell:tn", matrix.tn)):
        page.session_state[context.LOOK] = look
        page.run()
        said = f"{count:,} patches: largest loss first" if count else "No patch matches"
        assert said in page.words()


def test_one_class_is_said_and_does_not_crash(page: Page, tmp_path: Path) -> None:
    source = folder(tmp_path / "normal", {f"p{number}": "0" for number in range(6)})
    scored_page(page, source)
    assert not page.exception
    assert page.metrics()["AUC"] == "undefined"
    assert "all of one class" in page.words()
    for view in VIEWS:
        page.session_state[context.VIEW] = view
        page.run()
        assert not page.exception, view


def test_no_labels_is_said(page: Page, kaggle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labelled = open_dataset(str(kaggle))
    bare = replace(labelled, name="Bare", table=make_table(list(labelled.table["id"]), split="test"))
    monkeypatch.setattr(layout, "dataset", lambda: bare)
    opened(page, kaggle)
    assert not page.exception
    assert "Bare has no labels" in page.words()
    assert not page.metric


def test_a_large_set_is_scored_in_the_background(page: Page, kaggle: Path, tiny_bundle, monkeypatch) -> None:
    asked: list[dict[str, object]] = []

    def start(self: ScoreJob, **settings: object) -> None:
        asked.append(settings)
        import os

        self.record_process(os.getpid())
        self.write(JobStatus("running", 0.5, seconds_left=200.0))

    monkeypatch.setitem(predictions.INLINE, "cpu", 10)
    monkeypatch.setattr(ScoreJob, "start", start)
    opened(page, kaggle)
    page.click("Evaluate in the background")
    assert asked[0]["source"] == str(kaggle)
    assert asked[0]["split"] == "auto"
    page.click("Cancel")
    job = ScoreJob.of(tiny_bundle, open_dataset(str(kaggle)), "auto")
    assert job.stop_requested()
    job.write(JobStatus("cancelled"))
    page.run()
    assert "The last attempt was cancelled." in page.words()
    job.run(Predictor(tiny_bundle, device="cpu"), open_dataset(str(kaggle)), "auto")  # "stop" is still there
    assert job.status().state == "cancelled"


def test_two_models_are_compared_on_the_same_patches(page: Page, kaggle: Path, tiny_bundle, fresh_home: Path) -> None:
    Bundle(tiny_bundle.card.with_changes(name="other", threshold=0.6), tiny_bundle.weights).save(
        fresh_home / "bundles" / "other.safetensors"
    )
    scored_page(page, kaggle)
    page.session_state[context.VIEW] = "compare"
    page.run()
    page.click("Evaluate")
    scored = load_scores(tiny_bundle, open_dataset(str(kaggle)), "auto")
    apart = int(((scored.probabilities >= 0.4) != (scored.probabilities >= 0.6)).sum())
    said = page.words()
    assert f"They disagree on **{apart}** of 30 patches" in said
    assert f"(exact McNemar test, n = {apart})" in said
    table = next(each.value for each in page.dataframe if "right" in each.value)
    named = open_dataset(str(kaggle)).table["id"].to_numpy()[scored.rows]
    wanted = (scored.probabilities >= 0.4) != (scored.probabilities >= 0.6)
    assert set(table["patch"]) == set(named[wanted])
    # Both models are one network at two thresholds: between them the first says tumour and the second normal.
    assert set(table["right"][table["label"] == "tumour"]) <= {"tiny"}
    assert set(table["right"][table["label"] == "normal"]) <= {"other"}
    page.click("Show these patches below")


def test_the_audit_gives_its_verdict(page: Page, kaggle: Path) -> None:
    scored_page(page, kaggle)
    page.session_state[context.VIEW] = "checks"
    page.run()
    page.click("Audit 30 patches")
    assert "Blanking the centre moves the probability by" in page.words()
    assert "slides of these patches are unknown" in page.words()


def test_a_new_threshold_is_saved_as_a_new_bundle(page: Page, kaggle: Path, fresh_home: Path) -> None:
    scored_page(page, kaggle)
    page.slider(key=state.THRESHOLD).set_value(0.7)
    page.session_state[context.VIEW] = "export"
    page.run()
    page.click("Save on this computer")
    from core.bundle import load_bundle

    assert load_bundle(fresh_home / "bundles" / "tiny-at-0.700.safetensors").card.threshold == pytest.approx(0.7)


def test_the_address_sets_the_threshold_and_nonsense_does_not(page: Page, kaggle: Path) -> None:
    scored_page(page, kaggle)
    for said, expected in (("0.7", 0.7), ("much", 0.4), ("1.5", 0.4)):
        other = Page()
        other.query_params[state.THRESHOLD] = said
        other.query_params[context.LOOK] = "cell:tn" if expected == 0.7 else "nothing"
        opened(other, kaggle)
        assert not other.exception
        assert other.session_state[state.THRESHOLD] == expected
        assert other.session_state[context.LOOK] == ("cell:tn" if expected == 0.7 else "top")


@pytest.mark.parametrize(("view", "option"), [("Figures", "figures"), ("Slices", "slices"), ("Take away", "export")])
def test_a_link_with_the_labels_of_an_earlier_version_still_works(
    page: Page, kaggle: Path, view: str, option: str
) -> None:
    scored_page(page, kaggle)
    other = Page()
    other.query_params.update({"view": view, "look": "Least sure"})
    opened(other, kaggle)
    assert not other.exception
    assert other.session_state[context.VIEW] == option
    assert other.session_state[context.LOOK] == "sure"


def test_a_calibration_that_makes_it_worse_is_said(page: Page, kaggle: Path, monkeypatch) -> None:
    scored_page(page, kaggle)
    page.session_state[context.VIEW] = "probabilities"
    worse = reliability(np.array([0, 1] * 50), np.full(100, 0.9))
    better = reliability(np.array([0, 1] * 50), np.full(100, 0.5))
    monkeypatch.setattr(calibration, "_diagrams", lambda *_given, **_named: (better, worse))
    page.run()
    assert "Here calibration makes the error larger: 0.0% without it, 40.0% with it" in page.words()
    monkeypatch.setattr(calibration, "_diagrams", lambda *_given, **_named: (worse, better))
    page.run()
    assert "makes the error larger" not in page.words()


def test_what_an_interrupted_attempt_did_is_shown(page: Page, kaggle: Path, tiny_bundle, monkeypatch) -> None:
    monkeypatch.setitem(chunks.CHUNK, "cpu", 8)

    def stop(share: float) -> None:
        if share > 0.6:
            raise Cancelled

    dataset = open_dataset(str(kaggle))
    with pytest.raises(Cancelled):
        score_and_store(Predictor(tiny_bundle, device="cpu"), dataset, "auto", progress=stop)
    opened(page, kaggle)
    assert "24 of 30 patches are done and kept" in page.words()
    page.click("Evaluate")
    assert "n = 30 patches" in page.words()


def test_a_submission_is_offered_made_and_taken_away(page: Page, kaggle: Path, tiny_bundle) -> None:
    (kaggle / "test").mkdir()
    pixels = np.random.default_rng(1).integers(0, 255, (96, 96, 3), np.uint8)
    for name in ("t1", "t2"):
        Image.fromarray(pixels).save(kaggle / "test" / f"{name}.tif")
    scored_page(page, kaggle)
    page.session_state[context.VIEW] = "export"
    page.run()
    assert page.one("button", "Predict the 2 test patches")
    dataset = open_dataset(str(kaggle))
    job = SubmissionJob.of([tiny_bundle.digest], dataset)
    job.run(Predictor(tiny_bundle, device="cpu"), dataset)
    page.run()
    assert not page.exception
    assert "2 lines: the ids of test/, as there is no sample_submission.csv" in page.words()
    job.write(JobStatus("failed", message="One of the ids is missing."))
    page.run()
    assert "The last attempt failed. One of the ids is missing." in page.words()
    job.partial(dataset, device="cpu").write(0, {"probabilities": np.zeros(2), "usable": np.ones(2, bool)})
    job.write(JobStatus("cancelled"))
    page.run()
    told = "The last attempt was cancelled. 2 of 2 patches are done and kept; the next attempt continues from there."
    assert told in page.words()


def test_without_test_patches_there_is_nothing_to_submit(page: Page, kaggle: Path) -> None:
    scored_page(page, kaggle)
    page.session_state[context.VIEW] = "export"
    page.run()
    assert "A submission predicts patches without a label" in page.words()
