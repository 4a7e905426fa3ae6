"""The names for notebooks and scripts: what they give, and that the page and the notebooks about them are true."""

import doctest
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nodescope
from core.bundle import Bundle, load_bundle
from core.data import Dataset
from core.data import open as opening
from core.errors import PatchError
from core.prediction import Predictor
from core.scoring.dataset import score
from nodescope.predicting import Model

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def demo(small_demo: Dataset, fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """The small demo set, also for whatever opens "demo"; runs go into an empty home."""
    monkeypatch.setattr(opening, "open_demo", lambda **_: small_demo)
    return small_demo


@pytest.fixture
def model(tiny_bundle: Bundle) -> Model:
    return Model(tiny_bundle, "cpu")


def test_the_public_names_are_these_and_load_nothing_large() -> None:
    assert nodescope.__all__ == [
        "Division", "Explanation", "Measured", "Model", "NodescopeError", "Predicted", "SlideResult", "Trained",
        "__version__", "evaluate", "explain", "load", "open_data", "open_slide", "predict", "predict_slide", "split",
        "train",
    ]  # fmt: skip
    program = "import nodescope, sys; print('torch' in sys.modules, 'numpy' in sys.modules, len(dir(nodescope)))"
    found = subprocess.run([sys.executable, "-c", program], cwd=DOCS.parent, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False", str(len(nodescope.__all__))]
    with pytest.raises(AttributeError, match="no attribute 'guess'"):
        nodescope.guess  # noqa: B018


def test_predictions_are_those_of_the_predictor_whatever_they_are_given(
    demo: Dataset, model: Model, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    pixels = demo.store.load([3, 5]).pixels
    expected = Predictor(tiny_bundle, device="cpu").predict(pixels)
    for number, patch in enumerate(pixels):
        Image.fromarray(patch).save(tmp_path / f"p{number}.png")
    (tmp_path / "broken.png").write_bytes(b"no image")

    by_row = nodescope.predict(demo, model, rows=[3, 5])
    by_array = nodescope.predict(pixels, model)
    by_file = nodescope.predict(tmp_path, model)

    for found in (by_row, by_array, by_file):
        np.testing.assert_array_equal(found.logits, expected.logits)
        np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    assert by_row.to_frame()["id"].tolist() == demo.table["id"].iloc[[3, 5]].tolist()
    assert by_file.to_frame()["verdict"].tolist() == [
        "tumour" if each >= 0.4 else "normal" for each in expected.probabilities
    ]
    assert [each.name for each in by_file.problems] == ["broken.png"]
    with pytest.raises(PatchError, match=r"None of it can be predicted: broken\.png"):
        nodescope.predict(tmp_path / "broken.png", model)


def test_a_division_keeps_slides_together_and_is_kept_in_a_file(demo: Dataset, tmp_path: Path) -> None:
    division = nodescope.split(demo, by="slide", seed=1)

    assert sum(len(division.rows(name)) for name in ("train", "valid", "test")) == len(demo) == len(division.to_frame())
    assert division.to_frame().groupby("slide")["split"].nunique().max() == 1
    assert sum(sum(bar.y) for bar in division.plot().data) == len(demo)
    assert json.loads(division.save(tmp_path / "s.json").read_text("utf-8"))["format"] == "nodescope.split"


def test_metrics_are_those_of_the_evaluation(demo: Dataset, model: Model) -> None:
    measured = nodescope.evaluate(demo, model, split="all", threshold=0.3)

    expected = score(model.predictor, demo, split="all").evaluation(0.3)
    assert measured.to_frame()["value"].tolist() == [each.value for each in expected.metrics.values()]
    assert len(measured.predicted) == len(demo)
    for kind in ("roc", "precision-recall", "reliability"):
        assert len(measured.plot(kind).data) >= 1


def test_an_explanation_is_drawn_and_listed(demo: Dataset, model: Model) -> None:
    why = nodescope.explain(demo.store.load([0]).pixels[0], model, method="saliency")

    table = why.to_frame()
    assert len(table) == 96 * 96
    at = table[(table["x"] == 5) & (table["y"] == 70)]["attribution"].item()
    assert at == pytest.approx(why.attribution.values[:, 70, 5].sum())
    assert why.plot(zoom=2).size == (192, 192)


def test_a_slide_is_read_predicted_and_drawn(tmp_path: Path, model: Model) -> None:
    pixels = np.full((800, 1200, 3), 240, np.uint8)
    pixels[200:600, 300:900] = (150, 80, 150)
    Image.fromarray(pixels).save(tmp_path / "slide.png")

    with nodescope.open_slide(tmp_path / "slide.png") as slide:
        assert slide.size == (1200, 800)
    found = nodescope.predict_slide(tmp_path / "slide.png", tmp_path / "out", model, mpp=0.97, threshold=0.0)

    assert found.summary["tissue_mm2"] == pytest.approx(400 * 600 * 0.97e-3**2, rel=0.25)
    assert len(found.to_frame()) == found.summary["foci"] >= 1
    picture = np.asarray(found.plot(opacity=1.0))
    assert (picture[0, 0] == 240).all()  # glass stays as it is
    assert (found.folder / "areas.geojson").is_file()


def test_the_page_about_it_is_true(demo: Dataset) -> None:
    failed, tried = doctest.testfile(str(DOCS / "PYTHON.md"), module_relative=False, encoding="utf-8")

    assert failed == 0
    assert tried > 20


@pytest.mark.slow
@pytest.mark.parametrize("name", [each.name for each in sorted((DOCS / "notebooks").glob("*.ipynb"))])
def test_a_notebook_runs_from_its_first_cell_to_its_last(
    name: str, demo: Dataset, kaggle_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = {f"{number:03}": number % 2 for number in range(90)}
    kaggle_folder(labels, test=("t1", "t2"), name="histopathologic-cancer-detection")
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((DOCS / "notebooks" / name).read_text("utf-8"))
    names: dict[str, object] = {}

    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []  # they would hold pictures of data
            exec(compile("".join(cell["source"]), f"{name}, {cell['id']}", "exec"), names)

    assert name != "kaggle.ipynb" or (tmp_path / "submission.csv").read_text().splitlines()[0] == "id,label"
    assert name != "own_data.ipynb" or load_bundle(tmp_path / "my-model.safetensors").card.name
