"""The training loop.

Whatever happens in step s of epoch e depends on the seed, e and s alone: the order of the patches, their augmentation,
dropout. So a run that is taken up from a checkpoint goes on exactly as if it had never stopped.
"""

import copy
import logging
import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

import models
from core.device import describe_device, resolve_device
from core.errors import TrainingError
from core.prediction import as_input
from core.training.backbone import head_of, train_mode
from core.training.batches import epoch_order
from core.training.checkpoint import load_checkpoint, save_checkpoint
from core.training.config import TrainingConfig
from core.training.gradients import Gradients
from core.training.material import Material, Part
from core.training.optimisation import MovingAverage, Schedule, make_optimiser
from core.training.pretrained import load_pretrained
from core.training.run import Run
from core.training.status import Status

logger = logging.getLogger("nodescope.training")

CHECKPOINT_SECONDS = 60.0
STATUS_SECONDS = 1.0
VALID_BATCH = 128


class Stopped(Exception):  # noqa: N818 - it is no error
    """The run was asked to stop and has saved its state."""


class Loop:
    """Trains one network on the material of a run, and writes down how it goes.

    Attributes:
        weights: what is shipped: the moving average at the epoch that was kept.
        best_epoch: that epoch, from 1.

    Args:
        run: where it is written down.
        config: the settings.
        material: the patches.
        started: `time.monotonic()` at which the work on the run began, if that was earlier than now.
    """

    def __init__(self, run: Run, config: TrainingConfig, material: Material, *, started: float | None = None):
        self.run, self.config, self.material = run, config, material
        device = resolve_device(config.device)
        bf16 = config.precision == "bf16" or (config.precision == "auto" and device.type == "cuda")
        self.accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="bf16" if bf16 else "no")
        self.device = self.accelerator.device
        torch.manual_seed(config.seed)
        network = models.build(config.model, **config.model_arguments)
        if not run.checkpoint_path.exists():
            load_pretrained(network, config.pretrained)
        network = models.Normalised(network, mean=config.mean, std=config.std)
        network = network.to(self.device).to(memory_format=torch.channels_last)
        self.batch_size = min(config.batch_size, len(material.train))
        self.steps_per_epoch = len(material.train) // self.batch_size
        self.schedule = Schedule(config, total_steps=self.steps_per_epoch * config.epochs)
        self.average = MovingAverage(network, config.ema)
        self.shadow = copy.deepcopy(network).eval()
        self.model, self.optimiser = self.accelerator.prepare(network, make_optimiser(network.network, config))
        self.head = head_of(network.network, config)
        self.gradients = Gradients(
            self.accelerator,
            self.model,
            self.optimiser,
            config,
            material.train,
            say=lambda words: self._say(message=words),
        )
        self.epoch, self.step_in_epoch = 0, 0
        self.losses: list[float] = []
        self.rows: list[dict[str, float]] = []
        self.speeds: list[dict[str, float]] = []
        self.weights: dict[str, Tensor] = {}
        self.best_epoch, self.best_auc = 0, -math.inf
        self.status = Status().now(
            state="running",
            epochs=config.epochs,
            steps=self.steps_per_epoch * config.epochs,
            device=describe_device(self.device),
        )
        self._last_checkpoint = self._last_status = time.monotonic()
        self._recent: list[tuple[float, int]] = []
        self._started = time.monotonic() if started is None else started
        self._seconds_before = 0.0

    def fit(self) -> None:
        """Train to the end, from the checkpoint if there is one.

        Raises:
            Stopped: somebody asked for it; the state is saved.
            TrainingError: the loss is not a number.
            StorageError: the disk is full; the last checkpoint is good.
        """
        if self.run.checkpoint_path.exists():
            self._restore()
        while self.epoch < self.config.epochs and not self._is_patient_enough():
            self._train_epoch()
            self._end_epoch()
        self._say(stage="Measuring the result", seconds_left=None)

    def _train_epoch(self) -> None:
        network = self.accelerator.unwrap_model(self.model)
        train_mode(network, self.head, frozen=self.epoch < self.config.frozen_epochs)
        began, first = time.monotonic(), self.step_in_epoch
        for rows in self._batches():
            loss = self._step(rows)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"The loss became {loss} in step {self.step_in_epoch + 1} of epoch {self.epoch + 1}. Try a lower "
                    "learning rate; the last checkpoint is kept."
                )
            self.losses.append(loss)
            self.step_in_epoch += 1
            self._after_step()
        patches = (self.step_in_epoch - first) * self.batch_size
        if patches:
            rate = patches / (time.monotonic() - began)
            self.speeds.append({"epoch": self.epoch + 1, "patches_per_second": round(rate, 1)})

    def _batches(self) -> Iterator[np.ndarray]:
        """Yield the rows of each step that is left in this epoch."""
        order = epoch_order(
            self.material.train.labels, seed=self.config.seed, epoch=self.epoch, balance=self.config.balance
        )
        for step in range(self.step_in_epoch, self.steps_per_epoch):
            yield order[step * self.batch_size : (step + 1) * self.batch_size]

    def _step(self, rows: np.ndarray) -> float:
        step = self.epoch * self.steps_per_epoch + self.step_in_epoch
        self.schedule.apply(self.optimiser, step)
        loss = self.gradients.make(rows, step)
        if self.config.clip:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.average.update(self.accelerator.unwrap_model(self.model), step)
        mean: Tensor = self.accelerator.reduce(loss, reduction="mean")
        return float(mean)

    def _after_step(self) -> None:
        now = time.monotonic()
        self._recent = [*(each for each in self._recent if now - each[0] < 30), (now, self._done())]
        if self.run.stop_requested():
            self._checkpoint()
            self._say(stage="Stopping")  # so that the last word knows how far it got
            raise Stopped
        if now - self._last_checkpoint > CHECKPOINT_SECONDS:
            self._checkpoint()
        if now - self._last_status > STATUS_SECONDS:
            self._say(stage="Training")

    def _end_epoch(self) -> None:
        self._say(stage="Validating")
        logits = self.valid_logits()
        labels = self.material.valid.labels
        if not np.isfinite(logits).all():
            raise TrainingError(
                f"The network gives no numbers any more after step {self.steps_per_epoch} of epoch {self.epoch + 1}. "
                "Try a lower learning rate; the last checkpoint is kept."
            )
        score = float(roc_auc_score(labels, logits))
        row = {
            "epoch": self.epoch + 1,
            "train_loss": float(np.mean(self.losses)),
            "valid_loss": _cross_entropy(logits, labels),
            "valid_auc": score,
            "valid_accuracy": float(np.mean((logits >= 0) == labels)),
            "learning_rate": float(self.optimiser.param_groups[0]["lr"]),
        }
        self.rows.append(row)
        self.schedule.end_epoch(row["valid_loss"])
        if self.config.keep == "last" or score > self.best_auc:
            self.weights = {name: value.clone() for name, value in self.average.average.items()}
            self.best_epoch, self.best_auc = self.epoch + 1, score
        self.epoch, self.step_in_epoch, self.losses = self.epoch + 1, 0, []
        self._checkpoint()
        if self.accelerator.is_main_process:
            self.run.write_metrics(self.rows)
            self.run.write_speed(self.speeds)
        logger.info(
            "Epoch %d/%d: training loss %.4f, validation loss %.4f, AUC %.4f, accuracy %.4f",
            self.epoch, self.config.epochs, row["train_loss"], row["valid_loss"], score, row["valid_accuracy"],
        )  # fmt: skip
        self._say(stage="Training")

    def seconds(self) -> float:
        """Return the time worked on the run, in all sessions together."""
        return self._seconds_before + time.monotonic() - self._started

    def valid_logits(self) -> np.ndarray:
        """Return the logits (N,) of the validation patches under the moving average."""
        self.shadow.load_state_dict(self.average.average)
        return forward(self.shadow, self.material.valid, self.device)

    def _is_patient_enough(self) -> bool:
        return bool(self.config.patience) and self.epoch - self.best_epoch >= self.config.patience

    def _done(self) -> int:
        return self.epoch * self.steps_per_epoch + self.step_in_epoch

    def _say(self, **changes: Any) -> None:
        self._last_status = time.monotonic()
        if not self.accelerator.is_main_process:
            return
        rate = None
        if len(self._recent) > 1:
            (start, first), (end, last) = self._recent[0], self._recent[-1]
            rate = (last - first) / (end - start)
        self.status = self.status.now(
            **{
                "epoch": min(self.epoch + 1, self.config.epochs),
                "step": self._done(),
                "loss": float(np.mean(self.losses)) if self.losses else self.status.loss,
                "patches_per_second": rate and rate * self.batch_size,
                "seconds": self.seconds(),
                "seconds_left": rate and (self.status.steps - self._done()) / rate,
                **changes,
            }
        )
        self.run.write_status(self.status)

    def _checkpoint(self) -> None:
        self._last_checkpoint = time.monotonic()
        if self.accelerator.is_main_process:
            save_checkpoint(
                self.run.checkpoint_path,
                {
                    "model": self.accelerator.unwrap_model(self.model).state_dict(),
                    "optimiser": self.optimiser.state_dict(),
                    "average": self.average.average,
                    "weights": self.weights,
                    "schedule": self.schedule.state(),
                    "position": [self.epoch, self.step_in_epoch, self.best_epoch],
                    "best_auc": self.best_auc,
                    "losses": self.losses,
                    "rows": self.rows,
                    "pieces": self.gradients.pieces,
                    "speeds": self.speeds,
                    "seconds": self.seconds(),
                },
            )

    def _restore(self) -> None:
        state = load_checkpoint(self.run.checkpoint_path, self.device)
        self.accelerator.unwrap_model(self.model).load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average.average = state["average"]
        self.weights = state["weights"]
        self.schedule.restore(state["schedule"])
        self.epoch, self.step_in_epoch, self.best_epoch = state["position"]
        self.best_auc, self.losses, self.rows = state["best_auc"], state["losses"], state["rows"]
        self.gradients.pieces = state.get("pieces", 1)
        self.speeds = state.get("speeds", [])
        self._seconds_before = float(state.get("seconds", 0.0))
        if self.rows and self.accelerator.is_main_process:  # it may have been killed between checkpoint and metrics
            self.run.write_metrics(self.rows)
        logger.info("Going on at step %d of epoch %d.", self.step_in_epoch + 1, self.epoch + 1)


@torch.inference_mode()
def forward(model: nn.Module, part: Part, device: torch.device) -> np.ndarray:
    """Return the logits (N,), float64, of a part in batches of fixed size."""
    parts = [
        model(as_input(part.pixels[start : start + VALID_BATCH], device)).double().cpu().numpy()
        for start in range(0, len(part), VALID_BATCH)
    ]
    return np.concatenate(parts)


def _cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(np.logaddexp(0, np.where(labels == 1, -logits, logits))))
