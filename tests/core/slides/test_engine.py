"""Maps of slides by OpenVINO: the cells of its own patches, and never some of another engine."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from core.bundle import load_bundle
from core.errors import DeviceError
from core.job import Cancelled
from core.prediction import Predictor, engine
from core.slides import analyse as module
from core.slides.analyse import analyse, plan_slide
from core.slides.infer import journal, predict_block
from core.slides.plan import STEPS, blocks
from core.slides.reader import Slide

needs_openvino = pytest.mark.skipif(not engine.installed(), reason="OpenVINO is not installed")


@pytest.fixture(scope="module")
def fast() -> Predictor:
    return Predictor(load_bundle("nodescope-net"), device="cpu:openvino")


def _stopped(share: float) -> None:
    if share > 0.4:
        raise Cancelled


@needs_openvino
@pytest.mark.parametrize("step", [8, 32])
def test_a_slide_has_the_bytes_of_one_engine_whatever_another_left(
    step: int, small_slide: Path, tmp_path: Path, fast: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STEPS, step, 4)  # small blocks, so that there are several
    plain = Predictor(fast.bundle, device="cpu:torch")
    with Slide(small_slide) as slide:
        plan = plan_slide(small_slide, slide, step=step)
        whole = analyse(plan, tmp_path / "whole", fast).found
        for folder, first in (("resumed", fast), ("begun-by-pytorch", plain)):
            with pytest.raises(Cancelled):
                analyse(plan, tmp_path / folder, first, progress=_stopped)
            again = analyse(plan, tmp_path / folder, fast).found
            assert again.probability.tobytes() == whole.probability.tobytes()
            assert again.ood.tobytes() == whole.ood.tobytes()
        block = next(iter(blocks(plan.cells, step)))
        x, y, width, height = block.region(step)
        pixels = slide.read(x, y, width, height, scale=plan.grid.scale)
        cells = predict_block(block, pixels, step, fast)["probability"]
    rows, columns = block.places()
    at = [((r - block.row) * step, (c - block.column) * step) for r, c in zip(rows, columns, strict=True)]
    alone = fast.predict(np.stack([pixels[y : y + 96, x : x + 96] for y, x in at])).probabilities
    np.testing.assert_allclose(cells, alone, atol=1e-6)


def test_a_finished_map_of_an_earlier_version_stands(
    small_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = Predictor(load_bundle("nodescope-net"), device="cpu:torch")
    with Slide(small_slide) as slide:
        plan = plan_slide(small_slide, slide, step=32)
        monkeypatch.setattr(module, "journal", partial(journal, version=1))
        analyse(plan, tmp_path / "a", net)
        monkeypatch.setattr(module, "journal", journal)
        monkeypatch.setattr(module, "infer", lambda *_, **__: pytest.fail("it was predicted again"))
        analyse(plan, tmp_path / "a", net)


@needs_openvino
def test_a_finished_map_stands_whichever_exact_engine_made_it(
    small_slide: Path, tmp_path: Path, fast: Predictor
) -> None:
    plain = Predictor(fast.bundle, device="cpu:torch")
    with Slide(small_slide) as slide:
        plan = plan_slide(small_slide, slide, step=96)
        made = analyse(plan, tmp_path / "slide", plain)
        kept = analyse(plan, tmp_path / "slide", fast)
        anew = analyse(plan, tmp_path / "slide", fast, fresh=True)

    assert (made.summary["engine"], kept.summary["engine"]) == ("PyTorch", "PyTorch")
    assert (kept.found.engine, anew.found.engine) == ("cpu", "cpu-openvino")
    assert anew.summary["engine"] == "OpenVINO, float32"


@needs_openvino
def test_a_map_in_bfloat16_says_so_and_never_stands_for_an_exact_one(
    small_slide: Path, tmp_path: Path, fast: Predictor
) -> None:
    try:
        rounded = Predictor(fast.bundle, device="cpu:openvino-bf16")
    except DeviceError as error:
        pytest.skip(str(error))
    with Slide(small_slide) as slide:
        plan = plan_slide(small_slide, slide, step=8)
        done = analyse(plan, tmp_path / "slide", rounded)
        exact = analyse(plan, tmp_path / "slide", fast)
        kept = analyse(plan, tmp_path / "slide", rounded)

    engines = [each.found.engine for each in (done, exact, kept)]
    assert engines == [
        "cpu-openvino-bf16",
        "cpu-openvino",
        "cpu-openvino",
    ]  # an exact map is not replaced by a rounded one
    assert "bfloat16" in done.summary["notes"][0]
