"""Pictures that are no H&E patches, and patches that were spoilt: what a warning has to fire on. All made by code."""

from collections.abc import Callable

import numpy as np
from matplotlib import cbook
from matplotlib.colors import hsv_to_rgb, rgb_to_hsv
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_images

SIDE = 96
Random = np.random.Generator


def gradients(rng: Random, count: int) -> np.ndarray:
    y, x = np.mgrid[0 : 1 : SIDE * 1j, 0 : 1 : SIDE * 1j]
    pictures = []
    for angle in rng.uniform(0, 2 * np.pi, count):
        way = np.cos(angle) * x + np.sin(angle) * y
        way = (way - way.min()) / np.ptp(way)
        first, last = rng.uniform(0, 255, (2, 3))
        pictures.append(first + (last - first) * way[..., None])
    return np.rint(pictures).astype(np.uint8)


def coloured_noise(rng: Random, count: int) -> np.ndarray:
    return rng.integers(0, 256, (count, SIDE, SIDE, 3)).astype(np.uint8)


def grey_noise(rng: Random, count: int) -> np.ndarray:
    mean, spread = rng.uniform(60, 200, (count, 1, 1, 1)), rng.uniform(15, 60, (count, 1, 1, 1))
    return np.clip(rng.normal(mean, spread, (count, SIDE, SIDE, 1)), 0, 255).repeat(3, axis=3).astype(np.uint8)


def text(rng: Random, count: int) -> np.ndarray:
    pictures = []
    for _ in range(count):
        is_dark = rng.random() < 0.3
        ground = (30, 30, 30) if is_dark else tuple(int(v) for v in rng.integers(225, 256, 3))
        ink = (230, 230, 230) if is_dark else tuple(int(v) for v in rng.integers(0, 90, 3))
        size = int(rng.integers(9, 22))
        picture = Image.new("RGB", (SIDE, SIDE), ground)
        draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=size)
        for y in range(-3, SIDE, int(size * 1.2)):
            draw.text((-5, y), "".join(map(chr, rng.integers(97, 123, 30))), fill=ink, font=font)
        pictures.append(np.asarray(picture))
    return np.stack(pictures)


def natural_spectrum(rng: Random, count: int) -> np.ndarray:
    """Coloured 1/f noise, the spectrum of landscapes (Field 1987), most of it shared by the three colours."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None])
    frequency[0, 0] = np.inf
    pictures = []
    for _ in range(count):
        waves = np.fft.fft2(rng.normal(size=(3, SIDE, SIDE))) / frequency ** rng.uniform(0.8, 1.4)
        fields = np.fft.ifft2(waves).real
        fields /= fields.std(axis=(1, 2), keepdims=True)
        mixed = np.tensordot(np.eye(3) * rng.uniform(0.1, 0.6) + 0.8, fields, 1).transpose(1, 2, 0)
        pictures.append(np.clip(rng.uniform(60, 190, 3) + mixed / mixed.std() * rng.uniform(20, 60), 0, 255))
    return np.rint(pictures).astype(np.uint8)


def shapes(rng: Random, count: int) -> np.ndarray:
    pictures = []
    for _ in range(count):
        picture = Image.new("RGB", (SIDE, SIDE), tuple(int(v) for v in rng.integers(0, 256, 3)))
        draw = ImageDraw.Draw(picture)
        for _ in range(int(rng.integers(3, 12))):
            x, y = (int(v) for v in rng.integers(-20, SIDE, 2))
            width, height = (int(v) for v in rng.integers(10, 60, 2))
            form = draw.rectangle if rng.random() < 0.5 else draw.ellipse
            form((x, y, x + width, y + height), fill=tuple(int(v) for v in rng.integers(0, 256, 3)))
        pictures.append(np.asarray(picture))
    return np.stack(pictures)


def photographs(rng: Random, count: int) -> np.ndarray:
    """Cuts of the three photographs that scikit-learn and Matplotlib bring: a temple, a flower, a portrait."""
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        portrait = Image.open(file).convert("RGB")
    sources = [*map(Image.fromarray, load_sample_images().images), portrait]
    pictures = []
    for _ in range(count):
        source = sources[rng.integers(len(sources))]
        side = int(rng.integers(SIDE, min(source.size) + 1))
        x, y = int(rng.integers(source.width - side + 1)), int(rng.integers(source.height - side + 1))
        cut = source.crop((x, y, x + side, y + side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        pictures.append(np.asarray(cut))
    return np.stack(pictures)


def blank(rng: Random, count: int) -> np.ndarray:
    """White glass with a tint for the most part, else any grey; with faint noise."""
    glass = rng.uniform(225, 255, (count, 1)) + rng.uniform(-6, 6, (count, 3))
    ground = np.where(rng.random((count, 1)) < 0.6, glass, rng.uniform(0, 255, (count, 1)))
    noise = rng.normal(size=(count, SIDE, SIDE, 3)) * rng.uniform(0, 3, (count, 1, 1, 1))
    return np.clip(ground[:, None, None] + noise, 0, 255).astype(np.uint8)


def inverted(rng: Random, patches: np.ndarray) -> np.ndarray:
    return 255 - patches


def blurred(rng: Random, patches: np.ndarray) -> np.ndarray:
    widths = rng.uniform(2, 5, len(patches))
    soft = [gaussian_filter(patch.astype(float), (s, s, 0)) for patch, s in zip(patches, widths, strict=True)]
    return np.rint(soft).astype(np.uint8)


def hue_shifted(rng: Random, patches: np.ndarray) -> np.ndarray:
    """Hues turned by 60 to 300 degrees."""
    turned = []
    for patch in patches:
        colours = rgb_to_hsv(patch / 255)
        colours[..., 0] = (colours[..., 0] + rng.uniform(60, 300) / 360) % 1
        turned.append(np.rint(hsv_to_rgb(colours) * 255))
    return np.asarray(turned).astype(np.uint8)


STRANGE: dict[str, Callable[[Random, int], np.ndarray]] = {
    function.__name__: function
    for function in (gradients, coloured_noise, grey_noise, text, natural_spectrum, shapes, photographs, blank)
}
SPOILT: dict[str, Callable[[Random, np.ndarray], np.ndarray]] = {
    function.__name__: function for function in (inverted, blurred, hue_shifted)
}
