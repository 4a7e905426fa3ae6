"""The training loop.

Whatever happens in step s of epoch e depends on the seed, e and s alone: the order of the patches, their augmentation,
dropout. So a run that is taken up from a checkpoint goes on exactly as if it had never stopped.
"""

import copy
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score
from torch import Tensor

from core.device import describe_device
from core.errors import RunError, TrainingError
from core.runs.config import TrainingConfig
from core.runs.run import Run
from core.runs.status import Status
from core.training.checkpoint import load_checkpoint, save_checkpoint
from core.training.data import TrainingData
from core.training.forward import Forward, validating
from core.training.loader import Batch
from core.training.memory import memory_in_use
from core.training.optimiser import Schedule
from core.training.sampling import epoch_order
from core.training.step import TrainStep
from core.training.tracked_patches import watched_probabilities, watched_rows
from core.training.tracking import Tracker

logger = logging.getLogger("nodescope.training")

CHECKPOINT_SECONDS = 60.0
STATUS_SECONDS = 1.0
UNREAD = 20
"""On a GPU losses are fetched every so many steps, and before each checkpoint."""


class Stopped(Exception):  # noqa: N818 - it is no error
    """The run was asked to stop and has saved its state. Its text, if it has one, says why."""


AfterEpoch = Callable[[Sequence[Mapping[str, float]]], None]
"""Is told the rows of ``metrics.csv`` after each epoch, and again when a run goes on; may raise :class:`Stopped`."""


class Trainer:
    """Trains one network on the material of a run, and writes down how it goes.

    Attributes:
        weights: what is shipped: the moving average at the epoch that was kept.
        best_epoch: that epoch, from 1.

    Args:
        run: where it is written down.
        config: the settings.
        training_data: the patches.
        started: `time.monotonic()` at which the work on the run began, if that was earlier than now.
        after_epoch: told how it goes; may end the run.
    """

    def __init__(
        self,
        run: Run,
        config: TrainingConfig,
        training_data: TrainingData,
        *,
        started: float | None = None,
        after_epoch: AfterEpoch = lambda _rows: None,
    ):
        self.run, self.config, self.training_data = run, config, training_data
        self.after_epoch = after_epoch
        self.learner = TrainStep(
            config,
            training_data.train,
            fresh=not run.checkpoint_path.exists(),
            say=lambda words: self._say(message=words),
        )
        self.teachers, self.group, self.device = self.learner.teachers, self.learner.group, self.learner.device
        self.batch_size = self.learner.batch_size
        self.steps_per_epoch = len(training_data.train) // self.batch_size
        self.schedule = Schedule(config, total_steps=self.steps_per_epoch * config.epochs)
        self.shadow = copy.deepcopy(self.learner.network).eval()
        self.forward = Forward(self.device, say=lambda words: self._say(message=words))
        self.epoch, self.step_in_epoch = 0, 0
        self.losses: list[float] = []
        self._unread: list[Tensor] = []
        self.tracker: Tracker | None = None
        self.rows: list[dict[str, float]] = []
        self.speeds: list[dict[str, float]] = []
        self.validated = training_data.train if config.validate_on == "train" else training_data.valid
        self.watched = watched_rows(self.validated.labels, seed=config.seed)
        self.patches: list[dict[str, Any]] = []
        self.weights: dict[str, Tensor] = {}
        self.best_epoch, self.best_auc = 0, -math.inf
        self.status = Status().now(
            state="running",
            epochs=config.epochs,
            steps=self.steps_per_epoch * config.epochs,
            device=self._device_in_words(),
        )
        self._last_checkpoint = self._last_status = time.monotonic()
        self._recent: list[tuple[float, int]] = []
        self._started = time.monotonic() if started is None else started
        self._seconds_before = 0.0

    def fit(self) -> None:
        """Train to the end, from the checkpoint if there is one.

        Raises:
            Stopped: somebody or `after_epoch` asked for it; the state is saved.
            TrainingError: the loss is not a number.
            StorageError: the disk is full; the last checkpoint is good.
        """
        if self.group.is_main:
            self.tracker = Tracker(self.run, self.config)
        if self.run.checkpoint_path.exists():
            self._restore()
            self.after_epoch(self.rows)  # it may have been killed before the last epoch was told
        while self.epoch < self.config.epochs and not self._is_patient_enough():
            self._train_epoch()
            self._end_epoch()
            self.after_epoch(self.rows)
        if self.tracker is not None:
            self.tracker.finish()
        self._say(stage="Measuring the result", seconds_left=None)

    def _train_epoch(self) -> None:
        self.learner.prepare(frozen=self.epoch < self.config.frozen_epochs)
        began, first = time.monotonic(), self.step_in_epoch
        for batch in self._batches():
            self._unread.append(self._step(batch))
            self.step_in_epoch += 1
            if self.device.type == "cpu" or len(self._unread) >= UNREAD:
                self._read_losses()
            self._after_step()
        self._read_losses()
        patches = (self.step_in_epoch - first) * self.batch_size
        if patches:
            rate = patches / (time.monotonic() - began)
            self.speeds.append({"epoch": self.epoch + 1, "patches_per_second": round(rate, 1)})

    def _batches(self) -> Iterator[Batch]:
        """Yield the batch of each step that is left in this epoch."""
        order = epoch_order(
            self.training_data.train.labels, seed=self.config.seed, epoch=self.epoch, balance=self.config.balance
        )
        steps = range(self.step_in_epoch, self.steps_per_epoch)
        rows = (order[step * self.batch_size : (step + 1) * self.batch_size] for step in steps)
        return self.learner.feed.batches(rows, first=self._done())

    def _step(self, batch: Batch) -> Tensor:
        self.schedule.apply(self.learner.optimiser, batch.step)
        return self.learner.learn(batch)

    def _read_losses(self) -> None:
        """Fetch the losses that are still on the device; a GPU would have to stop for each of them."""
        first = self.step_in_epoch - len(self._unread)
        for number, loss in enumerate(map(float, self._unread)):
            if not math.isfinite(loss):
                raise TrainingError(
                    f"The loss became {loss} in step {first + number + 1} of epoch {self.epoch + 1}. Try a lower "
                    "learning rate; the last checkpoint is kept."
                )
            self.losses.append(loss)
        self._unread = []

    def _after_step(self) -> None:
        now = time.monotonic()
        self._recent = [*(each for each in self._recent if now - each[0] < 30), (now, self._done())]
        if self.group.from_main(self.run.stop_requested()):
            self._checkpoint()
            self._say(stage="Stopping")  # so that the last word knows how far it got
            raise Stopped
        if now - self._last_checkpoint > CHECKPOINT_SECONDS:
            self._checkpoint()
        if now - self._last_status > STATUS_SECONDS:
            self._say(stage="Training")

    def _end_epoch(self) -> None:
        self._say(stage="Validating")
        logits = self.group.from_main(self.valid_logits() if self.group.is_main else np.empty(0))
        labels = self.validated.labels
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
            "learning_rate": float(self.learner.optimiser.param_groups[0]["lr"]),
        }
        self.rows.append(row)
        self.patches += watched_probabilities(self.validated, self.watched, logits, epoch=self.epoch + 1)
        self.schedule.end_epoch(row["valid_loss"])
        if self.config.keep == "last" or score > self.best_auc:
            self.weights = {name: value.clone() for name, value in self.learner.average.average.items()}
            self.best_epoch, self.best_auc = self.epoch + 1, score
        self.epoch, self.step_in_epoch, self.losses = self.epoch + 1, 0, []
        self._checkpoint()
        if self.group.is_main:
            self.run.write_metrics(self.rows)
            self.run.write_patches(self.patches)
            self.run.write_speed(self.speeds)
        if self.tracker is not None:
            self.tracker.tell(row)
        logger.info(
            "Epoch %d/%d: training loss %.4f, validation loss %.4f, AUC %.4f, accuracy %.4f",
            self.epoch, self.config.epochs, row["train_loss"], row["valid_loss"], score, row["valid_accuracy"],
        )  # fmt: skip
        self._say(stage="Training")

    def seconds(self) -> float:
        """Return the time worked on the run, in all sessions together."""
        return self._seconds_before + time.monotonic() - self._started

    def valid_logits(self) -> np.ndarray:
        """Return the logits (N,) of the patches that are validated on, under the moving average."""
        self.shadow.load_state_dict(self.learner.average.average)
        with validating(self.shadow, self.config, self.epoch):
            return self.forward.logits(self.shadow, self.validated)

    def _is_patient_enough(self) -> bool:
        return bool(self.config.patience) and self.epoch - self.best_epoch >= self.config.patience

    def _done(self) -> int:
        return self.epoch * self.steps_per_epoch + self.step_in_epoch

    def _say(self, **changes: Any) -> None:
        self._last_status = time.monotonic()
        if not self.group.is_main:
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
                **memory_in_use(self.device),
                "seconds_left": rate and (self.status.steps - self._done()) / rate,
                **changes,
            }
        )
        self.run.write_status(self.status)

    def _checkpoint(self) -> None:
        self._last_checkpoint = time.monotonic()
        self._read_losses()
        if self.group.is_main:
            save_checkpoint(
                self.run.place(self.run.checkpoint_path.name),
                {
                    **self.learner.state(),
                    "valid_batch": self.forward.batch,
                    "weights": self.weights,
                    "schedule": self.schedule.state(),
                    "position": [self.epoch, self.step_in_epoch, self.best_epoch],
                    "best_auc": self.best_auc,
                    "losses": self.losses,
                    "rows": self.rows,
                    "patches": self.patches,
                    "teachers": self.teachers.digests() if self.teachers else [],
                    "speeds": self.speeds,
                    "seconds": self.seconds(),
                },
            )

    def _restore(self) -> None:
        state = load_checkpoint(self.run.checkpoint_path, self.device)
        self._check_teachers(state.get("teachers", []))
        self.learner.restore(state)
        self.forward.batch = state.get("valid_batch", self.forward.batch)
        self.weights = state["weights"]
        self.schedule.restore(state["schedule"])
        self.epoch, self.step_in_epoch, self.best_epoch = state["position"]
        self.best_auc, self.losses, self.rows = state["best_auc"], state["losses"], state["rows"]
        self.patches = state.get("patches", [])
        self.speeds = state.get("speeds", [])
        self._seconds_before = float(state.get("seconds", 0.0))
        if self.rows and self.group.is_main:  # it may have been killed between checkpoint and metrics
            self.run.write_metrics(self.rows)
            self.run.write_patches(self.patches)
        logger.info("Going on at step %d of epoch %d.", self.step_in_epoch + 1, self.epoch + 1)

    def _device_in_words(self) -> str:
        parts = [describe_device(self.device), self.learner.precision.name, self.learner.words]
        if self.group.size > 1:
            parts.append(f"{self.group.size} processes")
        return ", ".join(part for part in parts if part and part != "fp32")

    def _check_teachers(self, digests: list[str]) -> None:
        now = self.teachers.digests() if self.teachers else []
        if now != digests:
            raise RunError(
                f"The teachers are not those that the run began with: their digests were {', '.join(digests)} and are "
                f"{', '.join(now)}. Put the files back, or start a new run."
            )


def _cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(np.logaddexp(0, np.where(labels == 1, -logits, logits))))
