"""Files to predictions: in order, and past what cannot be read."""

import io

import numpy as np
import pytest
from PIL import Image

from core.bundle import Bundle
from core.errors import PatchError
from core.images.discover import PatchFile
from core.prediction import Predictor, batch
from core.prediction.batch import score_files

PATCHES = np.random.default_rng(0).integers(0, 256, (5, 96, 96, 3), dtype=np.uint8)


def _file(name: str, data: bytes) -> PatchFile:
    return PatchFile(id=name.split(".")[0], name=name, read=lambda: data)


def _image(name: str, pixels: np.ndarray) -> PatchFile:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return _file(name, buffer.getvalue())


def _gone(name: str) -> PatchFile:
    def read() -> bytes:
        raise PatchError(f"{name}: This file is gone.")

    return PatchFile(id=name, name=name, read=read)


@pytest.fixture
def predictor(tiny_bundle: Bundle) -> Predictor:
    return Predictor(tiny_bundle, device="cpu")


@pytest.mark.parametrize("chunk", [1, 2, 512])
def test_the_rest_goes_on_in_its_order(predictor: Predictor, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(batch, "CHUNK", chunk)
    files = [
        _image("z.png", PATCHES[0]),
        _file("text.png", b"404"),
        _image("a.png", PATCHES[1]),
        _image("z2.png", PATCHES[0]),
        _gone("gone.png"),
        _image("m.png", PATCHES[2]),
    ]

    scored = score_files(predictor, files)

    assert [file.id for file in scored.files] == ["z", "a", "z2", "m"]
    expected = predictor.predict(PATCHES[[0, 1, 0, 2]])
    assert [file.logit for file in scored.files] == expected.logits.tolist()
    assert [file.probability for file in scored.files] == expected.probabilities.tolist()
    assert [problem.name for problem in scored.problems] == ["text.png", "gone.png"]
    assert scored.problems[1].reason == "This file is gone."
    assert "text.png" not in scored.problems[0].reason


def test_what_was_done_to_an_image_is_noted(predictor: Predictor) -> None:
    large = np.zeros((100, 98, 3), np.uint8)
    large[2:98, 1:97] = PATCHES[3]

    (cropped,) = score_files(predictor, [_image("l.png", large)]).files

    assert cropped.notes == ("Cropped the centre 96×96 of 98×100 pixels.",)
    assert cropped.logit == predictor.predict(PATCHES[3:4]).logits[0]


def test_progress_is_the_finished_share(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "CHUNK", 2)
    shares: list[float] = []

    score_files(predictor, [_image(f"{n}.png", PATCHES[n]) for n in range(5)], progress=shares.append)

    assert shares == [2 / 5, 4 / 5, 1.0]


def test_nothing_readable_is_no_prediction(predictor: Predictor) -> None:
    scored = score_files(predictor, [_file("a.png", b""), _file("b.png", b"x")])

    assert scored.files == []
    assert len(scored.problems) == 2
    assert score_files(predictor, []).files == []
