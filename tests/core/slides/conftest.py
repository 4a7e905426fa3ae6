"""Small slides whose pixels are known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data import Dataset

GLASS = 244
Maker = Callable[..., Path]


@pytest.fixture(scope="session")
def write_slide() -> Maker:
    """A function that writes pixels as a tiled TIFF with levels, each half as large as the one before (cut off)."""
    tifffile = pytest.importorskip("tifffile")

    def write(
        path: Path,
        pixels: np.ndarray,
        *,
        mpp: float | tuple[float, float] | None = 0.97,
        levels: int = 1,
        ome: bool = False,
    ) -> Path:
        across, down = mpp if isinstance(mpp, tuple) else (mpp, mpp)
        told = {} if mpp is None else {"resolution": (1e4 / across, 1e4 / down), "resolutionunit": "CENTIMETER"}
        if ome and mpp is not None:
            sizes = {
                "PhysicalSizeX": across,
                "PhysicalSizeXUnit": "µm",
                "PhysicalSizeY": down,
                "PhysicalSizeYUnit": "µm",
            }
            told |= {"metadata": {"axes": "YXS", **sizes}}
        shared = {"tile": (64, 64), "photometric": "rgb", "compression": "zlib"}
        with tifffile.TiffWriter(path, ome=ome) as writer:
            writer.write(pixels, **shared, **told, **({"subifds": levels - 1} if ome and levels > 1 else {}))
            for _ in range(levels - 1):
                height, width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
                halves = pixels[:height, :width].reshape(height // 2, 2, width // 2, 2, 3)
                pixels = np.rint(halves.mean(axis=(1, 3))).astype(np.uint8)
                writer.write(pixels, subfiletype=1, metadata=None, **shared)
        return path

    return write


@pytest.fixture(scope="session")
def tissue_pixels(small_demo: Dataset) -> np.ndarray:
    """Glass of 768×672 pixels with 4×4 patches of the demo, from (192, 96) on, uint8 672×768×3."""
    pixels = np.full((672, 768, 3), GLASS, np.uint8)
    for number, patch in enumerate(small_demo.store.load(np.arange(16)).pixels):
        top, left = 96 + number // 4 * 96, 192 + number % 4 * 96
        pixels[top : top + 96, left : left + 96] = patch
    return pixels


@pytest.fixture(scope="session")
def small_slide(tmp_path_factory: pytest.TempPathFactory, write_slide: Maker, tissue_pixels: np.ndarray) -> Path:
    """The same as a slide of 0.97 µm per pixel."""
    return write_slide(tmp_path_factory.mktemp("slides") / "small.tif", tissue_pixels)
