"""What JPEG loses, beside Pillow's own files."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from core.data import Dataset
from core.training.jpeg import compress


@pytest.fixture
def patches(small_demo: Dataset) -> np.ndarray:
    return small_demo.store.load(np.arange(16)).pixels


def _filed(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=2)
    return np.asarray(Image.open(file)).astype(float)


@pytest.mark.parametrize("quality", [20, 50, 75, 95])
def test_it_is_what_pillow_gives_back(patches: np.ndarray, quality: int) -> None:
    images = torch.from_numpy(patches).permute(0, 3, 1, 2).float() / 255

    found = compress(images, torch.full((16,), float(quality))).permute(0, 2, 3, 1).numpy() * 255

    expected = np.stack([_filed(each, quality) for each in patches])
    lost = np.abs(expected - patches).mean()
    assert np.abs(found - expected).mean() < 1.1  # levels of 255: a file holds whole numbers between its steps
    assert np.abs(found - patches).mean() == pytest.approx(lost, rel=0.02)


def test_each_has_its_own_quality_and_0_is_none(patches: np.ndarray) -> None:
    images = torch.from_numpy(patches[:3]).permute(0, 3, 1, 2).float() / 255

    found = compress(images, torch.tensor([0.0, 50.0, 90.0]))

    assert torch.equal(found[0], images[0])
    for number, quality in ((1, 50.0), (2, 90.0)):
        alone = compress(images[number : number + 1], torch.tensor([quality]))
        torch.testing.assert_close(found[number : number + 1], alone, rtol=0, atol=1 / 255)
    assert (found[1] - images[1]).abs().mean() > (found[2] - images[2]).abs().mean()
