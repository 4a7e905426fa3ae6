"""Stain normalisation, from the settings of a run to what its bundle predicts."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.attribution import attribute
from core.bundle import Bundle, load_bundle
from core.commands import main
from core.data import Dataset, read
from core.errors import ConfigError, PatchError, RunError, TrainingError
from core.prediction import Predictor, examine
from core.prediction.features import early_features
from core.prediction.region import read_region
from core.prediction.result import predict_patch
from core.runs import TrainingConfig, create_run
from core.runs.run import Run
from core.stain import METHODS, normalise, normalise_all, reference_from_json, reference_of
from core.training.data import find_stain, gather
from core.training.distillation import check_stains
from core.training.execute import execute
from core.training.loader import BatchLoader
from core.training.preflight.sample import draw_sample

CONFIG = TrainingConfig(epochs=1, batch_size=16, stain_normalisation="macenko", device="cpu")


@pytest.fixture(autouse=True)
def _opened(monkeypatch: pytest.MonkeyPatch, small_demo: Dataset) -> None:
    for place in ("execute", "data"):
        monkeypatch.setattr(f"core.training.{place}.open_dataset", lambda *_, **__: small_demo)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, small_demo: Dataset) -> Run:
    """A run that normalised stains, and has a bundle."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.training.execute.open_dataset", lambda *_, **__: small_demo)
        run = create_run(CONFIG, tmp_path_factory.mktemp("runs") / "stained")
        assert execute(run).state == "finished"
    return run


@pytest.fixture(scope="module")
def pair(finished: Run) -> tuple[Predictor, Predictor]:
    """The predictor of that bundle, and one of the same weights that normalises nothing."""
    bundle = load_bundle(finished.bundle_path)
    return tuple(
        Predictor(Bundle(card, bundle.weights, bundle.ood_model), device="cpu")
        for card in (bundle.card, bundle.card.with_changes(stain=None))
    )


@pytest.fixture
def pixels(small_demo: Dataset) -> np.ndarray:
    """Five patches."""
    return read(small_demo.store, range(5))


def test_run_and_card_say_what_was_done(finished: Run, small_demo: Dataset) -> None:
    card = load_bundle(finished.bundle_path).card
    train = gather([small_demo], CONFIG).train

    assert card.stain == find_stain(CONFIG, train)
    assert reference_from_json(json.loads((finished.path / "stain.json").read_text())) == card.stain
    assert card.training["config"]["stain_normalisation"] == "macenko"
    # One of the training patches, whatever it is.
    assert any(reference_of(patch, "macenko") == card.stain for patch in train.pixels[: len(train)])


def test_the_network_learns_and_is_validated_on_normalised_patches(small_demo: Dataset) -> None:
    raw = gather([small_demo], CONFIG)
    data = replace(raw, stain=find_stain(CONFIG, raw.train))
    plain = CONFIG.with_changes(symmetries=False)
    rows = np.arange(7)

    batch = BatchLoader(data.seen().train, plain, device=torch.device("cpu")).batch(rows, 0)

    expected = normalise_all(raw.train.pixels[rows], data.stain)
    np.testing.assert_array_equal(np.rint(batch.images.permute(0, 2, 3, 1).numpy() * 255), expected)
    assert (expected != raw.train.pixels[rows]).mean() > 0.3
    np.testing.assert_array_equal(data.seen().valid.pixels[:3], normalise_all(raw.valid.pixels[:3], data.stain))
    assert raw.seen() == raw


def test_everything_that_predicts_normalises_alike(pair: tuple[Predictor, Predictor], pixels: np.ndarray) -> None:
    predictor, plain = pair
    seen = normalise_all(pixels, predictor.bundle.card.stain)

    expected = plain.predict(seen)
    np.testing.assert_array_equal(predictor.predict(pixels).logits, expected.logits)
    assert np.abs(plain.predict(pixels).logits - expected.logits).max() > 1e-4
    assert predict_patch(predictor, pixels[0]).logit == expected.logits[0]
    np.testing.assert_array_equal(predict_patch(predictor, pixels[0]).pixels, seen[0])
    layer = predictor.bundle.ood_model.layer if predictor.bundle.ood_model else "network.features.0"
    np.testing.assert_array_equal(
        early_features(predictor, pixels, layer=layer), early_features(plain, seen, layer=layer)
    )
    assert [each.ood_score for each in examine(predictor, pixels)] == [each.ood_score for each in examine(plain, seen)]


def test_the_map_of_a_region_is_of_patches_that_are_normalised_one_by_one(
    pair: tuple[Predictor, Predictor], pixels: np.ndarray
) -> None:
    predictor, plain = pair
    picture = np.concatenate(list(pixels[:2]), axis=1)

    region = read_region(predictor, picture)

    assert (region.step, region.probabilities.shape) == (32, (1, 4))
    cut = np.stack([normalise(picture[:, x : x + 96], predictor.bundle.card.stain) for x in (0, 32, 64, 96)])
    np.testing.assert_array_equal(region.probabilities[0], plain.predict(cut).probabilities)


def test_the_commands_normalise_too(finished: Run, pair: tuple[Predictor, Predictor], pixels: np.ndarray,
                                    tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    Image.fromarray(pixels[0]).save(tmp_path / "one.png")
    bundle = ["--bundle", str(finished.bundle_path), "--device", "cpu"]
    seen = normalise(pixels[0], pair[0].bundle.card.stain)

    assert main(["predict", str(tmp_path / "one.png"), "--out", str(tmp_path / "p.csv"), *bundle]) == 0
    assert main(["explain", str(tmp_path / "one.png"), "--method", "saliency", "--out", str(tmp_path), *bundle]) == 0
    assert main(["info", "--bundle", str(finished.bundle_path)]) == 0

    written = float((tmp_path / "p.csv").read_text().splitlines()[1].split(",")[1])
    assert written == pair[1].predict(seen[None]).probabilities[0]
    values = np.load(next(tmp_path.rglob("saliency.npy")))
    np.testing.assert_array_equal(values, attribute(pair[1].module, seen, method="saliency").values)
    assert "stains        normalised by Macenko" in capsys.readouterr().out


def test_a_bundle_with_it_is_of_a_version_that_an_earlier_nodescope_refuses(finished: Run, tiny_bundle: Bundle) -> None:
    loaded = load_bundle(finished.bundle_path)
    assert b'"version":"2"' in loaded.to_bytes()[:20_000]
    assert loaded.card.from_json(json.loads(json.dumps(loaded.card.to_json()))) == loaded.card

    assert tiny_bundle.card.stain is None
    assert b'"version":"1"' in tiny_bundle.to_bytes()[:20_000]
    assert "stain" not in tiny_bundle.card.to_json()["preprocessing"]


def test_a_run_keeps_its_reference_and_says_if_it_is_damaged(tmp_path: Path, pixels: np.ndarray) -> None:
    path = tmp_path / "reference.png"
    Image.fromarray(pixels[3]).save(path)
    config = CONFIG.with_changes(stain_normalisation="reinhard", stain_reference=str(path))
    run = create_run(config, tmp_path / "run")
    execute(run)
    path.unlink()  # a resumed run does without the picture

    assert execute(run).state == "finished"
    assert load_bundle(run.bundle_path).card.stain == reference_of(pixels[3], "reinhard")
    assert load_bundle(run.bundle_path).card.training["config"]["stain_reference"] == "reference.png"
    (run.path / "stain.json").write_text('{"method": "reinhard", "mean": [0, 0, 0], "spread": [0, 0, 0]}')
    with pytest.raises(RunError, match=r"stain.json of the run run is damaged: its numbers are out of range"):
        execute(run)


def test_references_that_cannot_be_are_refused(tmp_path: Path, small_demo: Dataset) -> None:
    with pytest.raises(ConfigError, match="choose macenko or reinhard for stain_normalisation"):
        TrainingConfig(stain_reference="patch.png")
    train = gather([small_demo], TrainingConfig()).train
    with pytest.raises(PatchError, match=r"none\.png"):
        find_stain(CONFIG.with_changes(stain_reference=str(tmp_path / "none.png")), train)
    Image.new("RGB", (96, 96), "white").save(tmp_path / "white.png")
    with pytest.raises(PatchError, match="too little tissue"):
        find_stain(CONFIG.with_changes(stain_reference=str(tmp_path / "white.png")), train)


def test_a_teacher_of_other_stains_is_refused(tiny_bundle: Bundle, pixels: np.ndarray) -> None:
    own, other = (reference_of(patch, "macenko") for patch in pixels[:2])
    teacher = Bundle(tiny_bundle.card.with_changes(stain=own), tiny_bundle.weights)

    check_stains([tiny_bundle, teacher], own)
    for stain in (None, other):
        with pytest.raises(TrainingError, match="was trained on normalised stains, and this run would show it others"):
            check_stains([teacher], stain)


@pytest.mark.parametrize("method", METHODS)
def test_a_preflight_measures_with_it(method: str) -> None:
    plain = draw_sample(CONFIG.with_changes(stain_normalisation="none")).patches
    sample = draw_sample(CONFIG.with_changes(stain_normalisation=method)).patches

    assert sample.ids.tolist() == plain.ids.tolist()
    assert (sample.pixels[:8] != plain.pixels[:8]).mean() > 0.3
