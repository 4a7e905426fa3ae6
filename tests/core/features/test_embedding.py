import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core.bundle import Bundle
from core.data import Dataset
from core.data.dataset import make_table
from core.errors import ConfigError, DataError
from core.features import embedding as module
from core.features.embedding import (
    Embedding,
    draw,
    embed,
    embedding_path,
    load_embedding,
    save_embedding,
    stored_or_made,
    with_umap,
)
from core.prediction import Predictor
from core.prediction.features import layers_of, read_late_features


@pytest.fixture(scope="module")
def predictor(tiny_bundle: Bundle) -> Predictor:
    return Predictor(tiny_bundle, device="cpu")


@pytest.fixture(scope="module")
def embedding(predictor: Predictor, small_demo: Dataset) -> Embedding:
    return embed(predictor, small_demo)


class Blank:
    """A store that nobody reads."""

    def __init__(self, count: int):
        self.count = count

    def __len__(self) -> int:
        return self.count


def test_a_draw_keeps_the_share_of_each_label_in_each_part() -> None:
    labels = [1] * 300 + [0] * 600 + [None] * 100
    splits = ["train"] * 150 + ["test"] * 150 + ["train"] * 600 + ["test"] * 100
    table = make_table([f"p{number}" for number in range(1000)], labels=labels, split=splits)
    dataset = Dataset("large", "large", "kaggle", table, Blank(1000))  # type: ignore[arg-type]
    rows = draw(dataset, 100)
    drawn = table.iloc[rows]
    assert len(set(rows)) == 100
    assert list(rows) == sorted(rows)
    assert [int((drawn["label"] == label).sum()) for label in (1, 0)] == [30, 60]
    assert int(drawn["label"].isna().sum()) == 10
    assert int(((drawn["label"] == 1) & (drawn["split"] == "test")).sum()) == 15
    np.testing.assert_array_equal(draw(dataset, 100), rows)
    assert not np.array_equal(draw(dataset, 100, seed=1), rows)
    assert len(draw(dataset, 7)) == 7
    np.testing.assert_array_equal(draw(dataset, 1000), np.arange(1000))


def test_the_components_are_those_of_the_centred_features(
    predictor: Predictor, small_demo: Dataset, embedding: Embedding
) -> None:
    layer = layers_of(predictor.module).late
    _, features = read_late_features(predictor, small_demo, np.arange(len(small_demo)), layer=layer)
    centred = features.astype(np.float64) - features.mean(axis=0)
    left, strengths, _ = np.linalg.svd(centred, full_matrices=False)
    for axis in range(2):
        along = np.corrcoef(embedding.components[:, axis], left[:, axis])[0, 1]
        assert abs(along) == pytest.approx(1, abs=1e-3)
    share = strengths**2 / (strengths**2).sum()
    np.testing.assert_allclose(embedding.explained[:2], share[:2], rtol=1e-3)
    assert embedding.ids == tuple(small_demo.table["id"])
    assert embedding.patches == 144


def test_a_map_comes_back_as_it_was_stored(
    embedding: Embedding, small_demo: Dataset, tiny_bundle: Bundle, fresh_home: Path
) -> None:
    assert load_embedding(small_demo, tiny_bundle) is None
    save_embedding(replace(embedding, umap=embedding.components[:, :2] * 2), small_demo, tiny_bundle)
    loaded = load_embedding(small_demo, tiny_bundle)
    assert loaded is not None
    assert (loaded.ids, loaded.patches, loaded.description) == (embedding.ids, 144, "features of tiny")
    np.testing.assert_array_equal(loaded.components, embedding.components)
    np.testing.assert_array_equal(loaded.umap, embedding.components[:, :2] * 2)
    assert load_embedding(replace(small_demo, files="changed"), tiny_bundle) is None
    embedding_path(small_demo.source, tiny_bundle).write_bytes(b"no zip")
    with pytest.raises(DataError, match="Delete it and make the map again"):
        load_embedding(small_demo, tiny_bundle)


def test_umap_starts_from_the_components_and_repeats_itself(
    embedding: Embedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, int]] = []

    class Umap:
        def __init__(self, **options: int):
            asked.append(options)

        def fit_transform(self, components: np.ndarray) -> np.ndarray:
            return components[:, 2:4].astype(np.float64)

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Umap))
    found = with_umap(embedding, seed=3)
    np.testing.assert_array_equal(found.umap, embedding.components[:, 2:4])
    assert asked == [{"n_components": 2, "n_neighbors": 15, "random_state": 3, "n_jobs": 1}]


def test_without_the_package_umap_says_how_to_get_it(embedding: Embedding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ConfigError, match="pip install umap-learn"):
        with_umap(embedding)


def test_umap_is_added_to_a_stored_map_without_reading_a_patch(
    embedding: Embedding,
    predictor: Predictor,
    small_demo: Dataset,
    fresh_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_embedding(embedding, small_demo, predictor.bundle)
    monkeypatch.setattr(module, "with_umap", lambda given: replace(given, umap=given.components[:, :2]))
    monkeypatch.setattr(module, "embed", lambda *_, **__: pytest.fail("the patches were read again"))
    assert stored_or_made(predictor, small_demo, umap=True).umap is not None
    loaded = load_embedding(small_demo, predictor.bundle)
    assert loaded is not None
    assert loaded.umap is not None


@pytest.mark.slow
def test_umap_itself_keeps_classes_apart_that_are_apart() -> None:
    pytest.importorskip("umap")
    random = np.random.default_rng(0)
    cloud = np.concatenate([random.normal(0, 0.1, (40, 8)), random.normal(3, 0.1, (40, 8))]).astype(np.float32)
    given = Embedding(tuple(map(str, range(80))), cloud, np.ones(8) / 8, None, 80, "a test")
    points = with_umap(given).umap
    assert points is not None
    between = np.linalg.norm(points[:40].mean(axis=0) - points[40:].mean(axis=0))
    within = points[:40].std()
    assert between > 3 * within
    np.testing.assert_array_equal(with_umap(given).umap, points)


def test_two_patches_are_no_map(predictor: Predictor, small_demo: Dataset) -> None:
    table = small_demo.table.iloc[:2].reset_index(drop=True)
    two = Dataset("two", "demo", "demo", table, Blank(2))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="two has 2 patches; a map needs three"):
        embed(predictor, two)
