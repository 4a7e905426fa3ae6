"""From a bundle and patches to probabilities."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from core.bundle.bundle import Bundle
from core.data.store import PATCH_SIZE
from core.data.stored_patches import Pixels
from core.device import resolve_device
from core.errors import DeviceError, PatchError
from core.memory import in_portions
from core.prediction import engine
from core.progress import Progress, no_progress
from core.stain import normalise, normalise_all

logger = logging.getLogger("nodescope.device")

T = TypeVar("T")

BATCH = {"cpu": 16, "cuda": 256, "mps": 64}
"""Patches in one forward pass. On a CPU PyTorch always gets this many, the last ones filled up: a convolution library
may choose another algorithm, with other rounding, for another batch size, and then a single patch would get another
last digit than the same patch among many. On a GPU, which would work on many blank ones for a few, see
:func:`filled_up`."""

FEWEST = 32
"""Patches that a GPU gets at once at least: it takes no less time for fewer."""


@dataclass(frozen=True)
class Predictions:
    """What a bundle predicts for N patches.

    Attributes:
        logits: float32 (N,), before calibration.
        probabilities: float64 (N,), calibrated probability of tumour in the centre.
        threshold: from this probability on the verdict is tumour.
    """

    logits: np.ndarray
    probabilities: np.ndarray
    threshold: float

    @property
    def verdicts(self) -> np.ndarray:
        """Bool (N,): True where the verdict is tumour."""
        return self.probabilities >= self.threshold


class Predictor:
    """A bundle on a device, ready to predict; may be shared by threads.

    Attributes:
        bundle: where the network comes from.
        device: where it runs.
        batch: patches in one pass at most; halved for good each time the memory does not suffice.
        module: from pixels in [0, 1] (float N×3×96×96) to the logit (N,), with folded norms. It is shared, so hooks
            belong on a copy, see :mod:`core.attribution.replica`.

    Args:
        bundle: the bundle.
        device: a name of :func:`core.device.resolve_device`; an engine may stand behind the CPU, "cpu:openvino".

    Raises:
        DeviceError: there is no such device or engine.
    """

    def __init__(self, bundle: Bundle, *, device: str = "auto"):
        self.bundle = bundle
        name, self._asked = engine.named(device)
        self.device = resolve_device(name)
        self._engine_name = engine.chosen(self._asked, self.device)
        self._engine: engine.Engine | None = None
        self._not_compiled: set[str] = set()
        self.module = bundle.inference_module(self.device)
        self.batch = BATCH[self.device.type]
        self._lock = threading.RLock()

    @property
    def kind(self) -> str:
        """What predicts, for keys of what is kept: the kind of device, and an engine that is not PyTorch behind it."""
        return self.device.type if self._loaded() is None else f"{self.device.type}-{self._engine_name}"

    def _loaded(self) -> engine.Engine | None:
        """Return the compiled network, or None where PyTorch predicts. It takes a second, so it waits for its use."""
        with self._lock:
            if self._engine is None and self._engine_name != engine.TORCH:
                try:
                    self._engine = engine.Engine(self.module, self._engine_name)
                except DeviceError as error:
                    if self._asked:
                        raise
                    logger.warning("%s", error)
                    self._engine_name = engine.TORCH
            return self._engine

    def computed(self, name: str, function: engine.Function, pixels: np.ndarray) -> np.ndarray | None:
        """Return what a function of the network gives for patches that were :meth:`seen`, where an engine is at work.

        Args:
            name: of the function, which is compiled once.
            function: may put hooks on the network that it is given.
            pixels: uint8 N×96×96×3.

        Returns:
            float32, N of whatever it gives, to 1e-4 what PyTorch does; None where PyTorch is to do it.

        Raises:
            DeviceError: the engine was asked for and does otherwise than PyTorch.
        """
        with self._lock:
            compiled = self._loaded()
            if compiled is None or name in self._not_compiled:
                return None
            try:
                return compiled.exact(name, function)(pixels)
            except DeviceError as error:
                if self._asked:
                    raise
                logger.warning("%s", error)
                self._not_compiled.add(name)
                return None

    def seen(self, pixels: np.ndarray) -> np.ndarray:
        """Return patches as the network sees them: in the colours of the bundle's reference, where it has one.

        Whatever is given to :attr:`module` itself, as for an attribution, has to be seen first; :meth:`predict` and the
        features do so themselves.

        Args:
            pixels: uint8 N×96×96×3, or one patch 96×96×3.

        Returns:
            uint8 of the same shape; the very same array where the bundle normalises no stains.
        """
        reference = self.bundle.card.stain
        if reference is None:
            return pixels
        return normalise(pixels, reference) if pixels.ndim == 3 else normalise_all(pixels, reference)

    def predict(self, pixels: Pixels, *, progress: Progress = no_progress) -> Predictions:
        """Return logit and probability of each patch.

        On a CPU the same patch gets the same bits whatever else is in the batch; on a GPU its logit is the same to
        1e-4.

        Args:
            pixels: uint8 N×96×96×3.
            progress: receives the finished share after each batch.

        Raises:
            PatchError: the array is of another shape or type.
            DeviceError: there is not even memory for one patch.
        """
        require_patches(pixels)

        def all_of_them(size: int) -> np.ndarray:
            parts = [np.empty(0, np.float32)]
            for start in range(0, len(pixels), size):
                parts.append(self._logits(self.seen(pixels[start : start + size]), size))
                progress(min(start + size, len(pixels)) / len(pixels))
            return np.concatenate(parts)

        logits = self.in_portions(all_of_them)
        card = self.bundle.card
        return Predictions(logits, card.calibration.apply(logits), card.threshold)

    def in_portions(self, work: Callable[[int], T]) -> T:
        """Return ``work(batch)``; where the memory does not suffice, from its start again with half as many at once.

        Raises:
            DeviceError: there is not even memory for one patch.
        """
        return in_portions(work, self.batch, self.device, less=self._less)

    def _less(self, size: int) -> None:
        if size:
            logger.warning("Out of memory with %d patches at once: %d from now on.", 2 * size, size)
            self.batch = size

    @property
    def reads_regions(self) -> bool:
        """Whether the network gives a value for every place of a larger picture at once."""
        # Stains are normalised patch by patch, so that what neighbouring patches share is no longer the same.
        return hasattr(self.module, "logit_map") and self.bundle.card.stain is None

    def logit_map(self, pixels: np.ndarray) -> np.ndarray:
        """Return the logits of all patches on the network's grid, float32 R×C, of a picture, uint8 H×W×3.

        All of it is read at once; :func:`core.prediction.region.probabilities_of` does so in blocks. Only where
        :attr:`reads_regions` says so.
        """
        with self._lock, torch.inference_mode():
            if compiled := self._loaded():
                found: np.ndarray = compiled.logit_map(pixels[None])[0]
                return found
            logits: torch.Tensor = self.module.logit_map(as_input(pixels[None], self.device))  # type: ignore[operator]
        result: np.ndarray = logits[0].float().cpu().numpy()
        return result

    def _logits(self, pixels: np.ndarray, size: int) -> np.ndarray:
        with self._lock, torch.inference_mode():
            if compiled := self._loaded():
                return compiled.logits(pixels)
            logits = self.module(as_input(filled_up(pixels, size, self.device), self.device))
        result: np.ndarray = logits.float().cpu().numpy()[: len(pixels)]
        return result


def require_patches(pixels: Pixels) -> None:
    """Raise :class:`PatchError` unless `pixels` is uint8 N×96×96×3."""
    if pixels.dtype != np.uint8 or len(pixels.shape) != 4 or pixels.shape[1:] != (PATCH_SIZE, PATCH_SIZE, 3):
        raise PatchError(f"Patches must be uint8 N×96×96×3, got {pixels.dtype} {'×'.join(map(str, pixels.shape))}.")


def filled_up(pixels: np.ndarray, size: int, device: torch.device) -> np.ndarray:
    """Return patches with blank ones behind: a batch of `size`, on a GPU the least power of 2 that holds them."""
    if device.type != "cpu":
        size = min(size, max(FEWEST, 1 << (len(pixels) - 1).bit_length()))
    batch = np.zeros((size, *pixels.shape[1:]), np.uint8)
    batch[: len(pixels)] = pixels
    return batch


def as_input(pixels: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return uint8 N×96×96×3 as float32 N×3×96×96 in [0, 1] on `device`, channels last in memory."""
    # Flipped views have negative strides, which from_numpy() refuses. Bytes go to the device, a quarter of the floats,
    # and N×H×W×C read as N×C×H×W is channels last already.
    return torch.from_numpy(np.ascontiguousarray(pixels)).to(device).permute(0, 3, 1, 2).float().div_(255)
