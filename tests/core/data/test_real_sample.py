"""A few real patches, where the sample lies beside the repository."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.data import open_dataset, read

SAMPLE = Path(__file__).resolve().parents[3].parent / "shared" / "data"


@pytest.mark.skipif(not (SAMPLE / "unpack.py").is_file(), reason="the sample of real patches is not here")
def test_forty_real_patches_are_read_with_their_labels(tmp_path: Path) -> None:
    subprocess.run([sys.executable, SAMPLE / "unpack.py", tmp_path, "--limit", "40"], check=True, capture_output=True)

    dataset = open_dataset(tmp_path)

    labelled = np.flatnonzero(dataset.table["label"].notna())
    assert (dataset.kind, len(dataset), len(labelled), dataset.problems) == ("kaggle", 80, 40, ())
    assert set(dataset.labels(labelled)) == {0, 1}
    pixels = read(dataset.store, range(80)).astype(float)
    red, green, blue = pixels.mean(axis=(0, 1, 2))
    assert green < blue < red  # the colours of H&E: pink, then violet
    assert pixels.std(axis=(1, 2, 3)).min() > 0
