from pathlib import Path

import numpy as np
import pytest

from core.bundle import Bundle, load_bundle
from core.bundle.rethreshold import file_stem, save_new, with_threshold
from core.errors import BundleError


def test_the_copy_decides_elsewhere_and_says_why(tiny_bundle: Bundle, fresh_home: Path, tmp_path: Path) -> None:
    copy = with_threshold(tiny_bundle, 0.75, name="careful", reason="for a test.")
    read = load_bundle(save_new(copy, "careful"))
    assert (read.card.name, read.card.threshold) == ("careful", 0.75)
    assert read.card.calibration == tiny_bundle.card.calibration
    assert read.card.notes[-1] == "Threshold moved from 0.4000 to 0.7500: for a test."
    for name, value in tiny_bundle.weights.items():
        np.testing.assert_array_equal(read.weights[name].numpy(), value.numpy())
    assert read.digest != tiny_bundle.digest
    (tmp_path / "b").write_bytes(copy.to_bytes())
    assert load_bundle(tmp_path / "b").digest == copy.digest


def test_no_bundle_is_ever_replaced(tiny_bundle: Bundle, fresh_home: Path) -> None:
    save_new(tiny_bundle, "mine")
    with pytest.raises(BundleError, match="already"):
        save_new(tiny_bundle, "mine")


@pytest.mark.parametrize(("threshold", "name"), [(1.2, "x"), (-0.1, "x"), (float("nan"), "x"), (0.5, "  ")])
def test_nonsense_is_refused(tiny_bundle: Bundle, threshold: float, name: str) -> None:
    with pytest.raises(BundleError):
        with_threshold(tiny_bundle, threshold, name=name, reason="")


def test_names_become_files_that_stay_in_their_folder() -> None:
    assert file_stem("../../etc/passwd") == "etc-passwd"
    assert file_stem("a b/ç") == "a-b"
    assert file_stem("...") == "bundle"
