"""The training loop.

Whatever happens in step s of epoch e depends only on the seed, e and s: the order of the patches, their augmentation,
dropout. So a run that is taken up from a checkpoint goes on exactly as if it had never stopped.
"""

import logging
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from core.device import describe_device
from core.errors import RunError, TrainingError
from core.runs.run import Run
from core.runs.status import Status
from core.runs.tables import METRICS_COLUMNS
from core.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from core.training.data import TrainingData
from core.training.distillation import check_stains
from core.training.loader import Batch
from core.training.losses import Losses
from core.training.optimiser import Schedule
from core.training.outcome import Outcome
from core.training.sampling import epoch_order
from core.training.status_reporter import StatusReporter
from core.training.step import TrainStep
from core.training.tracking import Tracker
from core.training.validation import BATCH, Validation

logger = logging.getLogger("nodescope.training")

CHECKPOINT_SECONDS = 60.0
"""A killed process loses at most this much training."""


class Stopped(Exception):  # noqa: N818 - it is no error
    """The stop of the run was requested, and its state is saved. Its text, if it has one, says why."""


AfterEpoch = Callable[[Sequence[Mapping[str, float]]], None]
"""Gets the rows of ``metrics.csv`` after each epoch, and again when a run goes on; may raise :class:`Stopped`."""


class Trainer:
    """Trains one network on the training data of a run, and writes down how it goes.

    Attributes:
        run: where it is written down.
        config: the settings of the run.
        training_data: the patches.
        train_step: the network with all that changes it.
        steps_per_epoch: full batches of the training patches; the patches of an incomplete last one wait for the next
            epoch, which has another order.
        state: where the training stands; what a checkpoint holds beside the train step, schedule and validation.
        reporter: writes the status.

    Args:
        started: `time.monotonic()` at which the work on the run began, if that was earlier than now.
    """

    def __init__(self, run: Run, training_data: TrainingData, *, started: float | None = None):
        self.run, self.config, self.training_data = run, run.config(), training_data
        self.state = TrainingState()
        seen, notify = training_data.seen(), _weak(self._notify)
        self.train_step = TrainStep(self.config, seen.train, fresh=not run.checkpoint_path.exists(), notify=notify)
        check_stains(self.train_step.teacher_bundles, training_data.stain)
        self.steps_per_epoch = len(training_data.train) // self.train_step.batch_size
        self.reporter = StatusReporter(
            run,
            self._first_status(),
            device=self.train_step.device,
            batch_size=self.train_step.batch_size,
            started=time.monotonic() if started is None else started,
            is_main=self.train_step.group.is_main,
        )
        self._schedule = Schedule(self.config, total_steps=self.steps_per_epoch * self.config.epochs)
        self._validation = Validation(
            self.train_step.network, seen, self.config, device=self.train_step.device, notify=notify
        )
        self._data = training_data.digests()
        self._losses = Losses(self.steps_per_epoch)
        self._last_checkpoint = time.monotonic()

    def fit(self, after_epoch: AfterEpoch = lambda _rows: None) -> None:
        """Train to the end, from the checkpoint if there is one.

        Args:
            after_epoch: gets the rows of ``metrics.csv``; may end the run.

        Raises:
            Stopped: somebody or `after_epoch` requested it; the state is saved.
            TrainingError: the loss is not a number.
            RunError: the teachers or the data are not those of the checkpoint, or it is damaged.
            StorageError: the disk is full; the last checkpoint is good.
        """
        # Made first: a missing package must end the run before it trains, and not after an epoch.
        tracker = Tracker(self.run, self.config) if self.train_step.group.is_main else None
        if self.run.checkpoint_path.exists():
            self._restore()
            after_epoch(self.state.rows)  # it may have been killed before the last epoch was reported
        if self.train_step.group.is_main:  # what was killed may have written more steps than its checkpoint has
            self.run.keep_steps(self.state.epoch * self.steps_per_epoch)
        while self.state.epoch < self.config.epochs and not self._is_patience_over():
            self._train_epoch()
            self._end_epoch()
            if tracker is not None:
                tracker.log(self.state.rows[-1])
            after_epoch(self.state.rows)
        if tracker is not None:
            tracker.finish()
        self._report(stage="Measuring the result", seconds_left=None)

    def outcome(self) -> Outcome:
        """Return what was reached; the trainer itself may go, and with it what it holds of a GPU's memory."""
        state = self.state
        return Outcome(
            self.config, self.training_data, {name: value.detach().cpu() for name, value in state.weights.items()},
            state.best_epoch, state.rows[state.best_epoch - 1], self.train_step.teacher_bundles,
            self.reporter.status.device, self.reporter.seconds(),
        )  # fmt: skip

    def _train_epoch(self) -> None:
        self.train_step.prepare(frozen=self.state.epoch < self.config.frozen_epochs)
        began, first = time.monotonic(), self.state.step_in_epoch
        order = epoch_order(
            self.training_data.train.labels, seed=self.config.seed, epoch=self.state.epoch, balance=self.config.balance
        )
        size = self.train_step.batch_size
        rows = (order[step * size : (step + 1) * size] for step in range(first, self.steps_per_epoch))
        for batch in self.train_step.loader.batches(rows, first=self._done()):
            is_due = self._losses.add(self._step(batch))
            self.state.step_in_epoch += 1
            if is_due:
                self._read_losses()
            self._after_step()
        self._read_losses()
        # Steps of an earlier session are not in it: their time is not in `began` either.
        patches = (self.state.step_in_epoch - first) * size
        if patches:
            rate = patches / (time.monotonic() - began)
            self.state.speeds.append({"epoch": self.state.epoch + 1, "patches_per_second": round(rate, 1)})

    def _step(self, batch: Batch) -> Tensor:
        self._schedule.apply(self.train_step.optimiser, batch.step)
        return self.train_step.learn(batch)

    def _read_losses(self) -> None:
        self.train_step.group.await_device()
        rows = self._losses.fetch(self.state.losses, self.state.epoch)
        if rows and self.train_step.group.is_main:
            self.run.append_steps(rows)

    def _after_step(self) -> None:
        self.reporter.count(self._done())
        # All processes have to stop at the same step, so the main one decides for them.
        if self.train_step.group.from_main(self.run.stop_requested()):
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
        group, average = self.train_step.group, self.train_step.average.average
        # The others get the logits too, because schedule, patience and kept weights have to be the same in all.
        logits = group.from_main(self._validation.logits(average, state.epoch) if group.is_main else np.empty(0))
        # A step's loss is of the weights before it, so that what the last step broke shows only here.
        if not np.isfinite(logits).all():
            raise TrainingError(
                f"The network gives no numbers any more after step {self.steps_per_epoch} of epoch {epoch}. Try a "
                "lower learning rate; the last checkpoint is kept."
            )
        row = {
            "epoch": epoch,
            "train_loss": float(np.mean(state.losses)),
            **self._validation.metrics(logits),
            "learning_rate": float(self.train_step.optimiser.param_groups[0]["lr"]),
        }
        state.rows.append(row)
        state.patches += self._validation.tracked(logits, epoch)
        # Before the checkpoint, which then holds what a plateau has seen of this epoch too.
        self._schedule.end_epoch(row["valid_loss"])
        # With "last" every epoch is the best so far, so that patience never ends the run.
        if self.config.keep == "last" or row["valid_auc"] > state.best_auc:
            # Copies, because later steps change the average in place.
            state.weights = {name: value.clone() for name, value in average.items()}
            state.best_epoch, state.best_auc = epoch, row["valid_auc"]
        state.epoch, state.step_in_epoch, state.losses = epoch, 0, []
        self._losses.end_epoch()
        self._checkpoint()  # before the tables: from the checkpoint these can be made again, but not the reverse
        if group.is_main:
            self.run.write_metrics(state.rows)
            self.run.write_patches(state.patches)
            self.run.write_speed(state.speeds)
        logger.info(
            "Epoch %d/%d: training loss %.4f, validation loss %.4f, AUC %.4f, accuracy %.4f",
            epoch, self.config.epochs, *(row[name] for name in METRICS_COLUMNS[1:5]),
        )  # fmt: skip
        self._report(stage="Training")

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
            # Before the first loss of an epoch, the mean of the one before stays on screen.
            loss=float(np.mean(losses)) if losses else self.reporter.status.loss,
            **changes,
        )

    def _checkpoint(self) -> None:
        self._last_checkpoint = time.monotonic()
        self._read_losses()
        if not self.train_step.group.is_main:
            return
        checkpoint = {
            **self.train_step.state(),
            **self.state.to_checkpoint(),
            "schedule": self._schedule.state(),
            "valid_batch": self._validation.forward.batch,
            "seconds": self.reporter.seconds(),
            "data": self._data,
        }
        save_checkpoint(self.run.place(self.run.checkpoint_path.name), checkpoint)

    def _restore(self) -> None:
        checkpoint = load_checkpoint(self.run.checkpoint_path, self.train_step.device)
        self._check_data(checkpoint.get("data"))
        self.train_step.restore(checkpoint)
        self.state = TrainingState.from_checkpoint(checkpoint)
        self._schedule.restore(checkpoint["schedule"])
        # Memory that ran out before would run out again, and another size of batch may change the last digit.
        self._validation.forward.batch = checkpoint.get("valid_batch", BATCH)
        self.reporter.seconds_before = self.state.seconds
        if self.state.rows and self.train_step.group.is_main:  # it may have been killed between checkpoint and metrics
            self.run.write_metrics(self.state.rows)
            self.run.write_patches(self.state.patches)
        logger.info("Going on at step %d of epoch %d.", self.state.step_in_epoch + 1, self.state.epoch + 1)

    def _check_data(self, before: Mapping[str, str] | None) -> None:
        """See that the patches are those that the run began with."""
        if before is None:  # an earlier version, which stored none and took turned or transparent pictures as they lay
            if changed := len(self.training_data.train.notes) + len(self.training_data.valid.notes):
                logger.warning(
                    "An earlier version began this run and read %d of its patches in another way than now, as listed "
                    "above. It goes on with them as they are read now, which is how predictions read them.", changed,
                )  # fmt: skip
            return
        if differing := [name for name, digest in self._data.items() if digest != before[name]]:
            raise RunError(
                f"The {' and '.join(differing)} are not those that the run {self.run.name} began with, and it goes on "
                "with the same data only, of the same classes and sizes. Put the data back as it was, or start a new "
                "run."
            )

    def _first_status(self) -> Status:
        step = self.train_step
        notes = [
            describe_device(step.device),
            "" if step.precision.name == "fp32" else step.precision.name,
            step.compilation,
            f"{step.group.size} processes" if step.group.size > 1 else "",
        ]
        return Status().now(
            state="running",
            epochs=self.config.epochs,
            steps=self.steps_per_epoch * self.config.epochs,
            device=", ".join(filter(None, notes)),
        )


def _weak(method: Callable[[str], None]) -> Callable[[str], None]:
    """Return a method without its object being held by it: in a circle, a run would keep its GPU's memory for long."""
    there = weakref.WeakMethod(method)

    def call(message: str) -> None:
        if (found := there()) is not None:
            found(message)

    return call
