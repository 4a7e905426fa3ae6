"""Several bundles as one, and what Kaggle wants of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import expit, logit

import models
from core.bundle import Bundle, load_bundle
from core.commands import main
from core.data import open_dataset
from core.errors import BundleError, DataError
from core.prediction import Predictor
from core.prediction.ensemble import Ensemble
from core.scoring.kaggle import score_test, submission

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 96, 96, 3), dtype=np.uint8)


@pytest.fixture
def pair(tiny_bundle: Bundle) -> tuple[Bundle, Bundle]:
    torch.manual_seed(1)
    card = tiny_bundle.card.with_changes(name="other", threshold=0.6)
    return tiny_bundle, Bundle(card, models.build("notebook-cnn").state_dict())


@pytest.fixture
def paths(pair: tuple[Bundle, Bundle], tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"{number}.safetensors" for number in (1, 2)]
    for bundle, path in zip(pair, found, strict=True):
        bundle.save(path)
    return found


def test_the_logit_is_the_mean_of_the_calibrated_ones(pair: tuple[Bundle, Bundle]) -> None:
    told: list[float] = []
    found = Ensemble(pair, device="cpu").predict(PIXELS, progress=told.append)
    one, two = (logit(Predictor(bundle, device="cpu").predict(PIXELS).probabilities) for bundle in pair)

    assert found.probabilities == pytest.approx(expit((one + two) / 2), rel=1e-12)
    assert found.logits == pytest.approx((one + two) / 2, abs=1e-6)
    assert found.threshold == pytest.approx(0.5)  # between 0.4 and 0.6
    assert told == [0.5, 1.0]


def test_members_that_say_the_same_are_not_made_less_sure(tiny_bundle: Bundle) -> None:
    twin = Bundle(tiny_bundle.card.with_changes(name="twin"), tiny_bundle.weights)
    found = Ensemble([tiny_bundle, twin], device="cpu").predict(PIXELS)
    single = Predictor(tiny_bundle, device="cpu").predict(PIXELS)
    assert found.probabilities == pytest.approx(single.probabilities, rel=1e-12)
    assert (found.verdicts == single.verdicts).all()


def test_all_eight_positions_are_averaged_whatever_way_up_the_patch_lies(tiny_bundle: Bundle) -> None:
    both = np.concatenate([PIXELS, np.rot90(PIXELS, 1, axes=(1, 2)), PIXELS[:, ::-1]])

    found = Ensemble([tiny_bundle], device="cpu", tta=True).predict(both).logits.reshape(3, -1)

    seen = [np.rot90(side, k, axes=(1, 2)) for side in (PIXELS, PIXELS[:, :, ::-1]) for k in range(4)]
    predictor = Predictor(tiny_bundle, device="cpu")
    single = [logit(predictor.predict(np.ascontiguousarray(each)).probabilities) for each in seen]
    assert np.std(single, axis=0).min() > 1e-4
    assert found[0] == pytest.approx(np.mean(single, axis=0), abs=1e-6)
    assert found[1] == pytest.approx(found[0], abs=1e-6)
    assert found[2] == pytest.approx(found[0], abs=1e-6)


def test_predict_turns_gives_the_mean_over_all_positions(paths: list[Path], tmp_path: Path, capsys) -> None:
    Image.fromarray(PIXELS[0]).save(tmp_path / "p.png")
    assert main(["predict", str(tmp_path / "p.png"), "--bundle", str(paths[0]), "--tta", "--device", "cpu"]) == 0
    expected = (
        Ensemble([load_bundle(path) for path in paths[:1]], device="cpu", tta=True).predict(PIXELS[:1]).probabilities[0]
    )
    assert capsys.readouterr().out.splitlines()[1] == f"p,{float(expected)!r}"


def test_bundles_that_do_not_fit_together_are_refused(pair: tuple[Bundle, Bundle]) -> None:
    one, two = pair
    with pytest.raises(BundleError, match="two bundles or more, got 1"):
        Ensemble([one])
    with pytest.raises(BundleError, match="the same bundle"):
        Ensemble([one, two, one])
    rest = {"fingerprint": "0", "split": {"kind": "official"}, "patches": {"train": 1, "valid": 1, "test": 1}}
    cards = [
        bundle.card.with_changes(training={"data": [{"kind": kind, "name": kind.title(), **rest}]})
        for bundle, kind in zip(pair, ("demo", "kaggle"), strict=True)
    ]
    with pytest.raises(BundleError, match="for Demo and other for Kaggle"):
        Ensemble([Bundle(card, bundle.weights) for card, bundle in zip(cards, pair, strict=True)])


def test_layouts_and_the_data_set_that_validated_decide_whether_they_fit(pair: tuple[Bundle, Bundle]) -> None:
    def trained_on(bundle: Bundle, *kinds: str) -> Bundle:
        rest = {"fingerprint": "0", "split": {"kind": "official"}, "patches": {"train": 1, "valid": 1, "test": 1}}
        data = [{"kind": kind, "name": kind.title(), **rest} for kind in kinds]
        training = {"data": data, "config": {"validation_data": len(kinds)}}
        return Bundle(bundle.card.with_changes(training=training), bundle.weights)

    one, two = pair
    assert len(Ensemble([trained_on(one, "kaggle"), trained_on(two, "demo", "pcam")], device="cpu").members) == 2
    with pytest.raises(BundleError, match="for Kaggle and other for Demo"):
        Ensemble([trained_on(one, "kaggle"), trained_on(two, "pcam", "demo")])


def test_the_command_line_takes_several_bundles(
    paths: list[Path], kaggle_folder: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = kaggle_folder({"a": 0, "b": 1}, test=("x", "y", "z"))
    options = [word for path in paths for word in ("--bundle", str(path))]
    assert main(["predict", str(folder / "test"), *options, "--device", "cpu"]) == 0
    printed = dict(line.split(",") for line in capsys.readouterr().out.splitlines()[1:])

    dataset = open_dataset(str(folder))
    scores = score_test(Ensemble([load_bundle(path) for path in paths], device="cpu"), dataset)
    assert {name: float(value) for name, value in printed.items()} == scores.probabilities
    assert list(scores.probabilities) == ["x", "y", "z"]


def test_the_submission_has_the_ids_of_the_sample_in_its_order(
    paths: list[Path], kaggle_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = kaggle_folder({"a": 0, "b": 1}, test=("x", "y", "z"))
    dataset = open_dataset(str(folder))
    scores = score_test(Ensemble([load_bundle(path) for path in paths], device="cpu"), dataset)
    lines = {name: f"{name},{value!r}" for name, value in scores.probabilities.items()}

    assert submission(scores, dataset).splitlines() == ["id,label", *lines.values()]
    (folder / "sample_submission.csv").write_text("id,label\nz,0\nx,0\ny,0\n")
    assert submission(scores, dataset).splitlines() == ["id,label", lines["z"], lines["x"], lines["y"]]
    other = tmp_path / "sample.csv"
    other.write_text("id,label\nz,0\nx,0\ny,0\nw,0\n")
    with pytest.raises(DataError, match=r"1 of the 4 ids .*such as w"):
        submission(scores, dataset, sample=other)


def test_an_unreadable_test_patch_is_named(paths: list[Path], kaggle_folder: Callable[..., Path]) -> None:
    folder = kaggle_folder({"a": 0, "b": 1}, test=("x", "y"))
    (folder / "test" / "y.tif").write_bytes(b"no picture")
    dataset = open_dataset(str(folder))
    scores = score_test(Ensemble([load_bundle(path) for path in paths], device="cpu"), dataset)
    assert list(scores.probabilities) == ["x"]
    with pytest.raises(DataError, match=r"1 test patches cannot be read, such as y"):
        submission(scores, dataset)


def test_without_unlabelled_patches_there_is_nothing_to_submit(
    paths: list[Path], kaggle_folder: Callable[..., Path]
) -> None:
    dataset = open_dataset(str(kaggle_folder({"a": 0, "b": 1})))
    with pytest.raises(DataError, match="no patch without a label"):
        score_test(Ensemble([load_bundle(path) for path in paths], device="cpu"), dataset)
