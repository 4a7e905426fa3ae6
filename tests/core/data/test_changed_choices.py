"""Another class or size is chosen after a pack, a prediction or a run was made: nothing of the two is mixed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.bundle import Bundle
from core.data import find_pack, make_pack, open_dataset, read
from core.data.choices import Choices, choices_of, remember
from core.data.store import PackedStore
from core.errors import DataError, RunError
from core.prediction import Predictor
from core.runs.run import Run
from core.scoring.dataset import select
from core.scoring.store import load_scores, score_and_store
from core.training.execute import execute

TISSUES = ("LYM", "NORM", "TUM")
CROPPED = Choices(("TUM",), ("NORM",), "crop")
RESIZED = Choices(("TUM",), ("NORM",), "resize")
SWAPPED = Choices(("NORM",), ("TUM",), "crop")
OTHERS = Choices(("TUM",), ("LYM",), "crop")


@pytest.fixture
def tissues(tmp_path: Path, fresh_home: Path) -> str:
    """150 pictures of 128×128 in three class folders, cropped."""
    random = np.random.default_rng(0)
    for number in range(150):
        path = tmp_path / "set" / TISSUES[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (128, 128, 3), dtype=np.uint8)).save(path)
    remember(str(tmp_path / "set"), CROPPED)
    return str(tmp_path / "set")


@pytest.mark.parametrize("choices", [RESIZED, SWAPPED, OTHERS, Choices(("TUM",), ("NORM", "LYM"), "crop")])
def test_a_pack_serves_only_what_was_packed(tissues: str, choices: Choices) -> None:
    make_pack(open_dataset(tissues, raw=True))
    packed = open_dataset(tissues)
    remember(tissues, choices)

    for dataset in (open_dataset(tissues), open_dataset(tissues)):  # the second by its quick stamp, where it has one
        raw = open_dataset(tissues, raw=True)
        assert dataset.table.equals(raw.table)
        assert (read(dataset.store, range(len(raw))) == read(raw.store, range(len(raw)))).all()
    # Only where the same pictures were made in the same way is the pack theirs.
    assert isinstance(dataset.store, PackedStore) == (choices == SWAPPED)
    remember(tissues, CROPPED)
    assert open_dataset(tissues).table.equals(packed.table)


def test_packing_again_replaces_the_pack(tissues: str) -> None:
    first = make_pack(open_dataset(tissues, raw=True))
    remember(tissues, RESIZED)
    second = make_pack(open_dataset(tissues, raw=True))

    assert not first.path.exists()
    raw = open_dataset(tissues, raw=True)
    assert (read(open_dataset(tissues).store, range(100)) == read(raw.store, range(100))).all()
    assert find_pack(raw) == second


def test_a_size_chosen_while_packing_ends_the_packing(tissues: str) -> None:
    def choose(_share: float) -> None:
        if choices_of(tissues) == CROPPED:
            remember(tissues, RESIZED)

    with pytest.raises(DataError, match=r"was changed while it was packed\. Pack it again"):
        make_pack(open_dataset(tissues, raw=True), progress=choose)
    assert find_pack(open_dataset(tissues, raw=True)) is None


def test_predictions_hold_for_pictures_as_they_were_made(tissues: str, tiny_bundle: Bundle) -> None:
    predictor = Predictor(tiny_bundle, device="cpu")
    before = score_and_store(predictor, open_dataset(tissues), "all")
    remember(tissues, RESIZED)
    assert load_scores(tiny_bundle, open_dataset(tissues), "all") is None

    remember(tissues, SWAPPED)  # the same pictures under other labels: nothing needs to be predicted again
    found = load_scores(tiny_bundle, open_dataset(tissues), "all")
    assert found is not None
    assert (found.logits == before.logits).all()
    assert (found.labels == 1 - before.labels).all()

    remember(tissues, OTHERS)
    assert load_scores(tiny_bundle, open_dataset(tissues), "all") is None


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        (CROPPED, ""),
        (RESIZED, "; trained with tumour: TUM; normal: NORM; other sizes cropped, now tumour: TUM; normal: NORM; other "
                  "sizes resized"),
        (SWAPPED, "now tumour: NORM; normal: TUM; other sizes cropped"),
    ],
)  # fmt: skip
def test_an_evaluation_says_that_the_model_was_trained_otherwise(
    tissues: str, tiny_bundle: Bundle, choices: Choices, words: str
) -> None:
    source = {
        "name": "set", "kind": "class folders", "fingerprint": "0" * 16, "split": {"kind": "hashed"},
        "patches": {"train": 60, "valid": 20, "test": 20}, "choices": CROPPED.chosen(),
    }  # fmt: skip
    bundle = Bundle(tiny_bundle.card.with_changes(training={"data": [source]}), tiny_bundle.weights)
    remember(tissues, choices)

    _, description = select(bundle, open_dataset(tissues), "auto")

    assert description.startswith("test split, kept away from training (hash of patches")
    assert description.endswith(words)
    assert ("trained with" in description) == bool(words)


@pytest.mark.parametrize("choices", [RESIZED, SWAPPED, OTHERS])
def test_a_run_goes_on_with_the_choices_of_its_beginning_only(
    tissues: str, tmp_path: Path, stopped_run: Callable[[Path, Path], Run], choices: Choices
) -> None:
    run = stopped_run(Path(tissues), tmp_path / "run")
    known = (run.path / "data.json").read_bytes()
    remember(tissues, choices)

    with pytest.raises(RunError, match="goes on with the same data only, of the same classes and sizes"):
        execute(run)
    assert run.status().state == "failed"
    assert (run.path / "data.json").read_bytes() == known
    remember(tissues, CROPPED)
    assert execute(run).state == "finished"
