"""Which learning rate to take: a short training in which it rises step by step, and the loss it gives.

Smith 2017, "Cyclical learning rates for training neural networks" (arXiv:1506.01186, section 3.3). The rate rises
exponentially, as in later practice, so that each order of magnitude gets as many steps.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from core.errors import ConfigError, TrainingError
from core.progress import Progress, no_progress
from core.runs.config import TrainingConfig
from core.training.preflight.sample import draw_sample
from core.training.sampling import epoch_order
from core.training.step import TrainStep

LOWEST, HIGHEST, STEPS = 1e-6, 1.0, 100
SMOOTHING = 0.9
"""Share of the running mean that each step keeps."""

BREAK = 4.0
"""The search ends when the smoothed loss is this multiple of its lowest value."""

_SETTLED = 10  # steps before which no loss counts
_NOISE = 1.0  # the fall must be at least this multiple of the spread of the losses around their smoothed course

By = Literal["steepest descent", "a tenth of the lowest loss's"]


@dataclass(frozen=True)
class LearningRateCurve:
    """The loss over the learning rate.

    Attributes:
        rates: of each step, float64 (N,), rising.
        losses: of each step, in nats, float64 (N,).
        smoothed: their running mean without its bias towards the start, float64 (N,).
        steepest: the rate at which the smoothed loss falls fastest.
        lowest: the rate at which it is lowest.
        suggestion: the rate to take.
        by: which rule gave it. It is the steepest descent where the loss falls clearly and that lies well before the
            lowest point, else a tenth of `lowest`: close to it the curve bends, and a jag of noise appears steep.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    steepest: float
    lowest: float
    suggestion: float
    by: By

    def to_csv(self) -> str:
        """Return a row for each step: ``learning_rate``, ``loss``, ``smoothed_loss``."""
        table = pd.DataFrame({"learning_rate": self.rates, "loss": self.losses, "smoothed_loss": self.smoothed})
        return str(table.to_csv(index=False, lineterminator="\n"))

    def sentence(self) -> str:
        """Return the suggestion in a sentence."""
        start = f"Suggested learning rate: {self.suggestion:.2g}"
        if self.by == "steepest descent":
            return f"{start}, where the loss falls fastest; it is lowest at {self.lowest:.2g}."
        return f"{start}, a tenth of {self.lowest:.2g}, where the loss is lowest."


def find_learning_rate(
    config: TrainingConfig,
    *,
    steps: int = STEPS,
    lowest: float = LOWEST,
    highest: float = HIGHEST,
    progress: Progress = no_progress,
) -> LearningRateCurve:
    """Train a fresh network for some steps while the learning rate rises, and return what came of it.

    Nothing is written down, and no run is made. The same settings give the same curve.

    Args:
        config: the settings; their learning rate and schedule do not matter, but for the head's share of the rate.
        steps: at most; it ends early once the loss has blown up.
        lowest: the first rate.
        highest: the last one.
        progress: receives the finished share.

    Raises:
        ConfigError: there are too few steps for a curve.
        TrainingError: the loss is no number within the first steps.
        NodescopeError: the data cannot be used, or the settings do not fit.
    """
    if steps <= _SETTLED:
        raise ConfigError(f"Finding a learning rate takes {_SETTLED + 1} steps or more, got {steps}.")
    sample = draw_sample(config)
    # Nobody reads the moving average here.
    train_step = TrainStep(config.with_changes(ema=0.0), sample.patches)
    train_step.prepare(frozen=config.frozen_epochs > 0)
    rates: list[float] = []
    losses: list[float] = []
    for batch in train_step.loader.batches(_rows(config, sample.patches.labels, train_step.batch_size, steps), first=0):
        rate = lowest * (highest / lowest) ** (batch.step / max(1, steps - 1))
        for group in train_step.optimiser.param_groups:
            # The head keeps its share: its peak in relation to the body's.
            group["lr"] = rate * group["peak"] / config.learning_rate
        loss = float(train_step.learn(batch))
        if not math.isfinite(loss):
            break
        rates.append(rate)
        losses.append(loss)
        progress((batch.step + 1) / steps)
        if _has_blown_up(losses):
            break
    progress(1.0)
    return curve_of(np.array(rates), np.array(losses))


def curve_of(rates: np.ndarray, losses: np.ndarray) -> LearningRateCurve:
    """Return the curve of these losses with its suggestion.

    Args:
        rates: float64 (N,), rising.
        losses: float64 (N,).

    Raises:
        TrainingError: there are too few for a curve.
    """
    if len(losses) <= _SETTLED:
        raise TrainingError(
            f"The loss was no number after {len(losses)} steps, and {_SETTLED + 1} are needed for a curve. Check "
            "the data and the other settings first."
        )
    smoothed = smooth(losses)
    best = _SETTLED + int(np.argmin(smoothed[_SETTLED:]))
    # Over the logarithm, in which the rates rise evenly, so that each order of magnitude counts alike.
    slope = np.gradient(smoothed, np.log(rates))
    steep = _SETTLED + int(np.argmin(slope[_SETTLED : best + 1]))
    fall = float(smoothed[:_SETTLED].mean() - smoothed[best])
    steepest, lowest = float(rates[steep]), float(rates[best])
    # The spread only up to the lowest point: after it the loss may blow up and lie far from its running mean.
    is_clear = fall > _NOISE * float(np.std((losses - smoothed)[:best])) and steepest < lowest / 10
    by: By = "steepest descent" if is_clear else "a tenth of the lowest loss's"
    return LearningRateCurve(rates, losses, smoothed, steepest, lowest, steepest if is_clear else lowest / 10, by)


def smooth(losses: np.ndarray) -> np.ndarray:
    """Return the exponential running mean of losses (N,), divided by the weight that it has seen so far."""
    mean, found = 0.0, []
    for number, loss in enumerate(losses, start=1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * float(loss)
        found.append(mean / (1 - SMOOTHING**number))
    return np.array(found)


def _has_blown_up(losses: list[float]) -> bool:
    smoothed = smooth(np.array(losses))
    return len(losses) > _SETTLED and smoothed[-1] > BREAK * float(smoothed.min())


def _rows(config: TrainingConfig, labels: np.ndarray, batch_size: int, steps: int) -> Iterator[np.ndarray]:
    """Yield the rows of each step, over as many epochs of the sample as it takes."""
    per_epoch = len(labels) // batch_size
    for step in range(steps):
        epoch, place = divmod(step, per_epoch)
        order = epoch_order(labels, seed=config.seed, epoch=epoch, balance=config.balance)
        yield order[place * batch_size : (place + 1) * batch_size]
