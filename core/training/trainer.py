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
from core.runs.run import METRICS_COLUMNS, Run
from core.runs.status import Status
from core.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from core.training.data import TrainingData
from core.training.loader import Batch
from core.training.optimiser import Schedule
from core.training.sampling import epoch_order
from core.training.status_reporter import StatusReporter
from core.training.step import TrainStep
from core.training.tracking import Tracker
from core.training.validation import Forward, tracked_probabilities, tracked_rows, validating

logger = logging.getLogger("nodescope.training")

CHECKPOINT_SECONDS = 60.0
UNREAD = 20
"""Steps whose losses stay on a GPU before they are fetched; each checkpoint fetches them too."""


class Stopped(Exception):  # noqa: N818 - it is no error
    """The run was asked to stop and has saved its state. Its text, if it has one, says why."""


AfterEpoch = Callable[[Sequence[Mapping[str, float]]], None]
"""Gets the rows of ``metrics.csv`` after each epoch, and again when a run goes on; may raise :class:`Stopped`."""


class Trainer:
    """Trains one network on the training data of a run, and writes down how it goes.

    Attributes:
        run: where it is written down.
        config: the settings.
        training_data: the patches.
        train_step: the network with all that changes it.
        state: where the training stands; what a checkpoint holds beside the train step and the schedule.
        reporter: writes the status.

    Args:
        run: see above.
        config: see above.
        training_data: see above.
        started: `time.monotonic()` at which the work on the run began, if that was earlier than now.
        after_epoch: gets the rows of ``metrics.csv``; may end the run.
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
        self.state = TrainingState()
        self.train_step = TrainStep(
            config, training_data.train, fresh=not run.checkpoint_path.exists(), notify=self._notify
        )
        self.group, self.device = self.train_step.group, self.train_step.device
        self.steps_per_epoch = len(training_data.train) // self.train_step.batch_size
        self.reporter = StatusReporter(
            run,
            self._first_status(),
            device=self.device,
            batch_size=self.train_step.batch_size,
            started=time.monotonic() if started is None else started,
            is_main=self.group.is_main,
        )
        self._schedule = Schedule(config, total_steps=self.steps_per_epoch * config.epochs)
        self._forward = Forward(self.device, notify=self._notify)
        self._averaged = copy.deepcopy(self.train_step.network).eval()  # takes the average's values for validation
        self._validated = training_data.train if config.validate_on == "train" else training_data.valid
        self._tracked = tracked_rows(self._validated.labels, seed=config.seed)
        self._tracker: Tracker | None = None
        self._after_epoch = after_epoch
        self._unread: list[Tensor] = []
        self._last_checkpoint = time.monotonic()

    def fit(self) -> None:
        """Train to the end, from the checkpoint if there is one.

        Raises:
            Stopped: somebody or `after_epoch` asked for it; the state is saved.
            TrainingError: the loss is not a number.
            StorageError: the disk is full; the last checkpoint is good.
        """
        if self.group.is_main:
            self._tracker = Tracker(self.run, self.config)
        if self.run.checkpoint_path.exists():
            self._restore()
            self._after_epoch(self.state.rows)  # it may have been killed before the last epoch was reported
        while self.state.epoch < self.config.epochs and not self._is_patience_over():
            self._train_epoch()
            self._end_epoch()
            self._after_epoch(self.state.rows)
        if self._tracker is not None:
            self._tracker.finish()
        self._report(stage="Measuring the result", seconds_left=None)

    def _train_epoch(self) -> None:
        self.train_step.prepare(frozen=self.state.epoch < self.config.frozen_epochs)
        began, first = time.monotonic(), self.state.step_in_epoch
        for batch in self._batches():
            self._unread.append(self._step(batch))
            self.state.step_in_epoch += 1
            if self.device.type == "cpu" or len(self._unread) >= UNREAD:
                self._read_losses()
            self._after_step()
        self._read_losses()
        patches = (self.state.step_in_epoch - first) * self.train_step.batch_size
        if patches:
            rate = patches / (time.monotonic() - began)
            self.state.speeds.append({"epoch": self.state.epoch + 1, "patches_per_second": round(rate, 1)})

    def _batches(self) -> Iterator[Batch]:
        """Yield the batch of each step that is left in this epoch."""
        order = epoch_order(
            self.training_data.train.labels, seed=self.config.seed, epoch=self.state.epoch, balance=self.config.balance
        )
        size = self.train_step.batch_size
        steps = range(self.state.step_in_epoch, self.steps_per_epoch)
        rows = (order[step * size : (step + 1) * size] for step in steps)
        return self.train_step.loader.batches(rows, first=self._done())

    def _step(self, batch: Batch) -> Tensor:
        self._schedule.apply(self.train_step.optimiser, batch.step)
        return self.train_step.learn(batch)

    def _read_losses(self) -> None:
        """Fetch the losses that are still on the device; a GPU would have to stop for each of them."""
        first = self.state.step_in_epoch - len(self._unread)
        for number, loss in enumerate(map(float, self._unread)):
            if not math.isfinite(loss):
                raise TrainingError(
                    f"The loss became {loss} in step {first + number + 1} of epoch {self.state.epoch + 1}. Try a "
                    "lower learning rate; the last checkpoint is kept."
                )
            self.state.losses.append(loss)
        self._unread = []

    def _after_step(self) -> None:
        self.reporter.count(self._done())
        # All processes have to stop at the same step, so the main one decides for them.
        if self.group.from_main(self.run.stop_requested()):
            self._checkpoint()
            self._report(stage="Stopping")  # so that the last status says how far it got
            raise Stopped
        if time.monotonic() - self._last_checkpoint > CHECKPOINT_SECONDS:
            self._checkpoint()
        if self.reporter.is_due():
            self._report(stage="Training")

    def _end_epoch(self) -> None:
        self._report(stage="Validating")
        state, epoch = self.state, self.state.epoch + 1
        logits = self.group.from_main(self._valid_logits() if self.group.is_main else np.empty(0))
        if not np.isfinite(logits).all():
            raise TrainingError(
                f"The network gives no numbers any more after step {self.steps_per_epoch} of epoch {epoch}. Try a "
                "lower learning rate; the last checkpoint is kept."
            )
        row = self._metrics(logits)
        state.rows.append(row)
        state.patches += tracked_probabilities(self._validated, self._tracked, logits, epoch=epoch)
        self._schedule.end_epoch(row["valid_loss"])
        if self.config.keep == "last" or row["valid_auc"] > state.best_auc:
            state.weights = {name: value.clone() for name, value in self.train_step.average.average.items()}
            state.best_epoch, state.best_auc = epoch, row["valid_auc"]
        state.epoch, state.step_in_epoch, state.losses = epoch, 0, []
        self._checkpoint()  # before the tables: from the checkpoint these can be made again, but not the reverse
        if self.group.is_main:
            self.run.write_metrics(state.rows)
            self.run.write_patches(state.patches)
            self.run.write_speed(state.speeds)
        if self._tracker is not None:
            self._tracker.log(row)
        logger.info(
            "Epoch %d/%d: training loss %.4f, validation loss %.4f, AUC %.4f, accuracy %.4f",
            epoch, self.config.epochs, *(row[name] for name in METRICS_COLUMNS[1:5]),
        )  # fmt: skip
        self._report(stage="Training")

    def _metrics(self, logits: np.ndarray) -> dict[str, float]:
        """Return the row of ``metrics.csv`` for the epoch in work, whose validation logits these are."""
        labels = self._validated.labels
        return {
            "epoch": self.state.epoch + 1,
            "train_loss": float(np.mean(self.state.losses)),
            "valid_loss": float(np.mean(np.logaddexp(0, np.where(labels == 1, -logits, logits)))),
            "valid_auc": float(roc_auc_score(labels, logits)),
            "valid_accuracy": float(np.mean((logits >= 0) == labels)),
            "learning_rate": float(self.train_step.optimiser.param_groups[0]["lr"]),
        }

    def _valid_logits(self) -> np.ndarray:
        """Return the logits (N,) of the patches that are validated on, under the moving average."""
        self._averaged.load_state_dict(self.train_step.average.average)
        with validating(self._averaged, self.config, self.state.epoch):
            return self._forward.logits(self._averaged, self._validated)

    def _is_patience_over(self) -> bool:
        return bool(self.config.patience) and self.state.epoch - self.state.best_epoch >= self.config.patience

    def _done(self) -> int:
        """Return how many steps of all epochs are finished."""
        return self.state.epoch * self.steps_per_epoch + self.state.step_in_epoch

    def _notify(self, message: str) -> None:
        self._report(message=message)

    def _report(self, **changes: Any) -> None:
        losses = self.state.losses
        self.reporter.write(
            step=self._done(),
            epoch=min(self.state.epoch + 1, self.config.epochs),
            loss=float(np.mean(losses)) if losses else self.reporter.status.loss,
            **changes,
        )

    def _checkpoint(self) -> None:
        self._last_checkpoint = time.monotonic()
        self._read_losses()
        if not self.group.is_main:
            return
        checkpoint = {
            **self.train_step.state(),
            **self.state.to_checkpoint(),
            "schedule": self._schedule.state(),
            "valid_batch": self._forward.batch,
            "teachers": self._teachers(),
            "seconds": self.reporter.seconds(),
        }
        save_checkpoint(self.run.place(self.run.checkpoint_path.name), checkpoint)

    def _restore(self) -> None:
        checkpoint = load_checkpoint(self.run.checkpoint_path, self.device)
        self._check_teachers(checkpoint.get("teachers", []))
        self.train_step.restore(checkpoint)
        self.state = TrainingState.from_checkpoint(checkpoint)
        self._schedule.restore(checkpoint["schedule"])
        self._forward.batch = checkpoint.get("valid_batch", self._forward.batch)
        self.reporter.seconds_before = self.state.seconds
        if self.state.rows and self.group.is_main:  # it may have been killed between checkpoint and metrics
            self.run.write_metrics(self.state.rows)
            self.run.write_patches(self.state.patches)
        logger.info("Going on at step %d of epoch %d.", self.state.step_in_epoch + 1, self.state.epoch + 1)

    def _first_status(self) -> Status:
        parts = [describe_device(self.device), self.train_step.precision.name, self.train_step.compilation]
        if self.group.size > 1:
            parts.append(f"{self.group.size} processes")
        return Status().now(
            state="running",
            epochs=self.config.epochs,
            steps=self.steps_per_epoch * self.config.epochs,
            device=", ".join(part for part in parts if part and part != "fp32"),
        )

    def _teachers(self) -> list[str]:
        teachers = self.train_step.teachers
        return teachers.digests() if teachers else []

    def _check_teachers(self, digests: list[str]) -> None:
        now = self._teachers()
        if now != digests:
            raise RunError(
                f"The teachers are not those that the run began with: their digests were {', '.join(digests)} and are "
                f"{', '.join(now)}. Put the files back, or start a new run."
            )
