"""Patches that are wrong on purpose, and what the check says of them."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from core import d4
from core.commands import main
from core.data import (
    ArrayStore,
    Dataset,
    Decision,
    SplitRule,
    assign,
    choose_rule,
    decide,
    make_pack,
    open_dataset,
)
from core.data.duplicates import CLOSE, alike, candidates, describe, same
from core.data.measures import measure
from core.data.quality import FLAGS, check_path, findings, load_check, make_check, partners
from core.data.readers.kaggle import KNOWN_BAD
from core.data.split_file import make_split_file, save_split
from core.errors import DataError


def jpeg(patch: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(patch).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer))


@pytest.fixture
def folder(small_demo: Dataset, fresh_home: Path, tmp_path: Path) -> Path:
    """Twelve different patches, and one with each flaw."""
    rows = np.flatnonzero((small_demo.table["label"] == 0).to_numpy())[::6][:12]
    good = small_demo.store.load(rows).pixels
    patches = {f"good{number:02d}": patch for number, patch in enumerate(good)}
    patches["black"] = np.zeros((96, 96, 3), np.uint8)
    patches["white"] = np.full((96, 96, 3), 240, np.uint8)
    patches["blurred"] = gaussian_filter(good[1].astype(float), (3, 3, 0)).round().astype(np.uint8)
    patches["copy"] = good[2]
    patches["turned"] = jpeg(np.rot90(good[3])[:, ::-1])
    patches["lighter"] = np.clip(good[4].astype(float) * 0.9 + 25, 0, 255).round().astype(np.uint8)
    (tmp_path / "train").mkdir()
    for name, patch in patches.items():
        Image.fromarray(patch).save(tmp_path / "train" / f"{name}.tif")
    (tmp_path / "train" / "broken.tif").write_bytes(b"no image")
    labels = {**dict.fromkeys([*patches, "broken"], 0), "turned": 1}
    lines = ["id,label", *(f"{name},{label}" for name, label in labels.items())]
    (tmp_path / "train_labels.csv").write_text("\n".join(lines))
    return tmp_path


def flagged(folder: Path, name: str) -> set[str]:
    dataset = open_dataset(folder)
    check = load_check(dataset)
    assert check is not None
    return set(dataset.table["id"][findings(check, dataset, assign(dataset, choose_rule(dataset)))[name].to_numpy()])


def test_every_flaw_is_found_and_nothing_else(folder: Path) -> None:
    check = make_check(str(folder))
    assert flagged(folder, "unreadable") == {"broken"}
    assert flagged(folder, "black") == {"black"}
    assert flagged(folder, "blank") == {"white"}
    assert flagged(folder, "blurred") == {"blurred"}
    assert flagged(folder, "duplicate") == {"good02", "copy"}
    assert flagged(folder, "near duplicate") == {"good03", "turned", "good04", "lighter"}
    assert flagged(folder, "conflict") == {"good03", "turned"}
    assert partners(check, "turned") == ["good03"]
    assert partners(check, "good00") == []


def test_a_leak_is_a_pair_in_two_parts_of_the_split(folder: Path) -> None:
    make_check(str(folder))
    dataset = open_dataset(folder)
    part = dict(zip(dataset.table["id"], assign(dataset, choose_rule(dataset)), strict=True))
    assert (part["good02"], part["copy"]) == ("train", "test")
    assert (part["good03"], part["turned"]) == ("train", "valid")
    assert (part["good04"], part["lighter"]) == ("train", "train")
    assert flagged(folder, "leak") == {"good02", "copy", "good03", "turned"}


def test_a_leak_depends_on_the_split_in_use(folder: Path) -> None:
    check, dataset = make_check(str(folder)), open_dataset(folder)
    ids = dataset.table["id"]
    for apart in ("copy", "good02"):
        parts = np.where(ids == apart, "test", "train")
        assert set(ids[findings(check, dataset, parts)["leak"].to_numpy()]) == {"copy", "good02"}
    assert not findings(check, dataset, np.full(len(ids), "train")).leak.any()
    parts = np.where(ids == "lighter", "", "train")  # a patch without a label may be one of the competition's test
    assert set(ids[findings(check, dataset, parts)["leak"].to_numpy()]) == {"lighter", "good04"}


def test_every_one_of_many_copies_is_told_of(kaggle_folder: Callable[..., Path], fresh_home: Path) -> None:
    labels = {"a": 0, "b": 1, "c": 1, "d": 0, "other": 0}
    folder = kaggle_folder(labels)
    for name in "bc":  # b and c are a; d is nearly a
        (folder / "train" / f"{name}.tif").write_bytes((folder / "train" / "a.tif").read_bytes())
    pixels = np.asarray(Image.open(folder / "train" / "a.tif"))
    Image.fromarray(np.clip(pixels * 0.9 + 12, 0, 255).astype(np.uint8)).save(folder / "train" / "d.tif")
    check, dataset = make_check(str(folder)), open_dataset(folder)
    parts = np.array(["test", "train", "train", "train", "test"])
    found = findings(check, dataset, parts)
    assert found["duplicate"].tolist() == [True, True, True, False, False]
    assert found["near duplicate"].tolist() == [True, True, True, True, False]
    assert found["leak"].tolist() == [True, True, True, True, False]  # b, c and d are in a part that a is not in
    assert found["conflict"].tolist() == [True, True, True, True, False]
    assert partners(check, "d") == ["a", "b", "c"]
    assert partners(check, "b") == ["a", "c", "d"]
    decide(str(folder), {"a": Decision("exclude")})  # a stood for all three; without it two copies are left
    rest = open_dataset(folder)
    found = findings(check, rest, parts[1:])
    assert found["duplicate"].tolist() == [True, True, False, False]
    assert found["leak"].tolist() == [False, False, False, False]
    assert found["conflict"].tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: patch * 0.8,
        lambda patch: patch * 0.6 + 60,
        lambda patch: patch + 20,
        lambda patch: (patch - 128) * 0.8 + 128,
        lambda patch: 255 * (patch / 255) ** 1.2,
        lambda patch: jpeg(patch.astype(np.uint8))[::-1],
    ],
    ids=["darker", "paler", "lighter", "less contrast", "gamma", "saved and mirrored"],
)
def test_a_patch_is_recognised_in_another_light(small_demo: Dataset, change: Callable[..., np.ndarray]) -> None:
    patches = small_demo.store.load(range(100)).pixels
    changed = np.stack([np.clip(change(patch.astype(float)), 0, 255).round().astype(np.uint8) for patch in patches])
    moved = np.linalg.norm(describe(changed) - describe(patches), axis=1)
    assert np.median(moved) < 0.1
    assert np.mean(moved < CLOSE) >= 0.97
    both = np.concatenate([patches, changed])
    pairs = candidates(describe(both))
    found = pairs[alike(ArrayStore(both), pairs)]
    assert np.mean(np.isin(np.arange(100), found[found[:, 1] - found[:, 0] == 100][:, 0])) >= 0.97


def test_a_pack_and_an_exclusion_do_not_undo_it_but_a_change_does(folder: Path) -> None:
    make_check(str(folder))
    make_pack(open_dataset(folder, raw=True))
    decide(str(folder), dict.fromkeys(["copy", "black"], Decision("exclude", reason="flawed")))
    assert flagged(folder, "duplicate") == set()
    assert flagged(folder, "black") == set()
    assert flagged(folder, "blurred") == {"blurred"}
    (folder / "train" / "broken.tif").write_bytes(b"still no image")
    assert load_check(open_dataset(folder, fresh=True)) is None


def test_a_damaged_check_is_said(folder: Path) -> None:
    make_check(str(folder))
    path = check_path(str(folder))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"check\.npz is damaged"):
        load_check(open_dataset(folder))


def test_the_command_tells_counts_and_fails_on_unreadable_files(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(folder), "--json", "--out", str(tmp_path / "flags.csv")]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["patches"], said["flags"]["blurred"], said["flags"]["conflict"]) == (19, 1, 2)
    lines = (tmp_path / "flags.csv").read_text().splitlines()
    assert len(lines) == 20
    assert lines[0].endswith(",".join(FLAGS))
    assert next(line for line in lines if line.startswith("black,")).endswith(",0,1,0,0,0,0,0,0")


def test_the_command_fails_on_leaks_of_the_split_that_is_named(
    kaggle_folder: Callable[..., Path], fresh_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = {f"p{number}": number % 2 for number in range(12)}
    folder = kaggle_folder(labels)
    part = dict(zip(labels, assign(open_dataset(folder), SplitRule(seed=0)), strict=True))
    one, other = next(name for name in labels if part[name] == "train"), next(n for n in labels if part[n] != "train")
    (folder / "train" / f"{one}.tif").write_bytes((folder / "train" / f"{other}.tif").read_bytes())
    assert main(["check", str(folder)]) == 1
    said = capsys.readouterr().out
    assert "split: hash of patches, seed 0: 10% validation, 16% test" in said
    assert re.search(r"^leak: +2  a \(near\) duplicate is in another split  \(", said, re.MULTILINE)
    kept = next(seed for seed in range(1, 50) if _together(open_dataset(folder), SplitRule(seed=seed), one, other))
    dataset = open_dataset(folder)
    rule = SplitRule(seed=kept)
    save_split(make_split_file(dataset, rule, assign(dataset, rule)), tmp_path / "split.json")
    assert main(["check", str(folder), "--split", str(tmp_path / "split.json")]) == 0
    assert f"seed {kept}" in capsys.readouterr().out


def _together(dataset: Dataset, rule: SplitRule, one: str, other: str) -> bool:
    part = dict(zip(dataset.table["id"], assign(dataset, rule), strict=True))
    return part[one] == part[other]


def test_the_two_known_bad_patches_are_left_out_and_named(
    kaggle_folder: Callable[..., Path], fresh_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = kaggle_folder({"a": 1, "b": 0, **dict.fromkeys(KNOWN_BAD, 0)})
    assert main(["check", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "2 patches, 2 excluded" in said
    assert "dd6dfed324f9fcb6f93f46f32fc800f2ec196be2: excluded: known to be broken (overexposed)" in said
    assert "9369c7278ec8bcc6c880d99194de09fc2bd4efbe: excluded: known to be black" in said


def test_a_clean_folder_passes(kaggle_folder: Callable[..., Path], fresh_home: Path) -> None:
    assert main(["check", str(kaggle_folder({"a": 1, "b": 0, "c": 1}))]) == 0


def test_the_demo_can_be_checked(small_demo: Dataset) -> None:
    found = measure(small_demo.store.load(range(16)).pixels)
    assert not found.is_black().any()
    assert (found.haematoxylin > 0).all()


def test_measures_of_known_patches() -> None:
    flat = np.full((1, 96, 96, 3), 100, np.uint8)
    stripes = flat.copy()
    stripes[:, ::2] = 140
    found = measure(np.concatenate([flat, stripes]))
    np.testing.assert_allclose(found.brightness, [100, 120], rtol=1e-5)
    np.testing.assert_allclose(found.contrast, [0, 20], atol=1e-3)
    assert found.sharpness[1] == pytest.approx(4.0, rel=1e-4)  # ±(2·40) each, over a contrast of 20
    assert found.digests[0] != found.digests[1]


def test_a_description_is_the_same_for_all_eight_symmetries() -> None:
    patch = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    eight = np.stack(d4.views(patch, axes=(0, 1)))
    assert len({each.tobytes() for each in eight}) == 8
    np.testing.assert_allclose(describe(eight), np.repeat(describe(patch[None]), 8, axis=0), atol=1e-5)
    assert describe(patch[None]).shape == (1, 20)


def test_pairs_of_equal_digests() -> None:
    assert same(np.array([5, 7, 5, 9, 7, 5], np.uint64)).tolist() == [[0, 2], [0, 5], [1, 4]]
    assert same(np.array([], np.uint64)).tolist() == []
