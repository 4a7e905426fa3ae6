from pathlib import Path

import pytest

import core.studies.split_leakage as leak_module
import core.training.execute as execute_module
from core.data import Dataset, DemoSize, assign, open_demo
from core.data.dataset import make_table
from core.errors import ConfigError, DataError, RunError
from core.evaluation import METRICS, ConfusionMatrix, Estimate, Evaluation
from core.runs import create_run, preset
from core.runs.config import Augmentation, TrainingConfig
from core.studies.split_leakage import Leak, leak_configs, leak_of, measure_leak
from core.training.data import gather


def evaluation(auc: float, half: float = 0.03) -> Evaluation:
    figures = {name: Estimate(auc, auc - half, auc + half) for name in METRICS}
    return Evaluation(100, 40, 0.5, figures, ConfusionMatrix(50, 10, 10, 30), "slide", 10, 6)


def test_one_pair_puts_its_two_intervals_together() -> None:
    leak = Leak((evaluation(0.95, 0.03),), (evaluation(0.90, 0.04),))
    each = leak.difference()
    assert each.value == pytest.approx(0.05)
    assert (each.low, each.high) == pytest.approx((0.0, 0.10))  # 0.03 and 0.04 at a right angle are 0.05


def test_three_pairs_take_the_corrected_t() -> None:
    leak = Leak(tuple(map(evaluation, (0.93, 0.95, 0.97))), tuple(map(evaluation, (0.90, 0.90, 0.90))))
    each = leak.difference()
    assert each.value == pytest.approx(0.05)
    # t(0.975; 2) = 4.302653, variance of 0.03, 0.05, 0.07 is 0.0004, test part : training part = 0.16 : 0.74
    assert each.high - each.value == pytest.approx(4.302653 * ((1 / 3 + 0.16 / 0.74) * 0.0004) ** 0.5, rel=1e-5)


@pytest.mark.parametrize(
    ("by_patch", "by_slide", "words"),
    [
        (0.99, 0.80, "is optimistic"),
        (0.91, 0.90, "Too uncertain to tell"),
        (0.90, 0.91, "may be better by up to 0.032"),  # -0.01 + 0.03 * sqrt(2)
        (0.85, 0.90, "No leak to be seen"),
    ],
)
def test_the_sentence_says_what_the_figures_do(by_patch: float, by_slide: float, words: str) -> None:
    sentence = Leak((evaluation(by_patch),), (evaluation(by_slide),)).sentence()
    assert words in sentence
    assert f"AUC {by_patch:.3f} against {by_slide:.3f}" in sentence.replace("AUC: ", "AUC ")


def test_pairs_must_be_pairs() -> None:
    with pytest.raises(RunError):
        Leak((evaluation(0.9),), ())


def test_the_two_trainings_differ_in_their_split_alone(small_demo: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leak_module, "open_dataset", lambda _source: small_demo)
    found = leak_configs(preset("quick"))
    assert (found["patch"].split, found["slide"].split) == ("patch", "slide")
    assert found["patch"].with_changes(split="slide", preset="leak-slide-quick") == found["slide"]


def test_without_slides_there_is_no_leak_meter(small_demo: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table(list(small_demo.table["id"]), labels=list(small_demo.table["label"]), split="train")
    bare = Dataset("Bare", "x", "kaggle", table, small_demo.store)
    monkeypatch.setattr(leak_module, "open_dataset", lambda _source: bare)
    with pytest.raises(DataError, match="patch_id_wsi_full"):
        leak_configs(preset("quick"))


def test_unfinished_and_unlike_runs_are_refused(tmp_path: Path) -> None:
    config = preset("quick")
    one = create_run(config.with_changes(split="patch"), tmp_path / "one")
    two = create_run(config.with_changes(split="slide"), tmp_path / "two")
    other = create_run(config.with_changes(split="slide", epochs=3), tmp_path / "three")
    with pytest.raises(RunError, match="not finished"):
        leak_of([one], [two])
    with pytest.raises(RunError, match="differ in more"):
        leak_of([one], [other])
    with pytest.raises(RunError, match="one by slide"):
        leak_of([one], [one])


@pytest.mark.parametrize("split", ["patch", "slide"])
def test_a_run_can_ask_for_a_split_other_than_the_data_set_s_own(small_demo: Dataset, split: str) -> None:
    training_data = gather([small_demo], TrainingConfig(split=split, split_seed=1))
    rule = training_data.sources[0].rule
    assert (rule.kind, rule.by, rule.seed) == ("hashed", split, 1)
    assert (training_data.sources[0].splits == assign(small_demo, rule)).all()
    shared = set(training_data.train.slides) & set(training_data.test(0).slides)
    assert bool(shared) == (split == "patch")


def test_a_split_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="split"):
        TrainingConfig(split="hospital")  # type: ignore[arg-type]


@pytest.mark.slow
def test_on_the_demo_the_random_split_is_optimistic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen slides of different stain, a network that may learn colours by heart: no augmentation, no weight decay.

    The seeds are the first whose split by slide leaves three slides or more to test on.
    """
    demo = open_demo(size=DemoSize(seed=0, slides=16, patches_per_slide=40))
    monkeypatch.setattr(leak_module, "open_dataset", lambda _source: demo)
    monkeypatch.setattr(execute_module, "open_dataset", lambda _source, **_: demo)
    config = preset("quick").with_changes(
        epochs=12, augmentation=Augmentation(symmetries=False), ema=0.0, weight_decay=0.0, keep="last", device="cpu"
    )
    leak = measure_leak(config, tmp_path / "leak", split_seeds=(1, 3, 4))
    assert all(each.slides >= 3 for each in leak.by_slide)
    assert leak.difference().value > 0.015
    assert leak.sentence().startswith("The random split")
