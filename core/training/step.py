"""A network that learns one step at a time: what a run, the learning-rate finder and an estimate share."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import models
from core.bundle import Bundle, load_bundle
from core.data.store import PATCH_SIZE
from core.errors import ConfigError, RunError, TrainingError
from core.memory import is_out_of_memory
from core.runs.config import TrainingConfig
from core.training.compiler import COMPILED_FROM, compiled
from core.training.distillation import Teachers
from core.training.distributed import ProcessGroup
from core.training.gradients import Gradients
from core.training.loader import Batch, BatchLoader
from core.training.optimiser import MovingAverage, head_of, make_optimiser
from core.training.patches import Patches
from core.training.precision import Precision
from core.training.pretrained import load_pretrained

logger = logging.getLogger("nodescope.training")


class TrainStep:
    """A network, its optimiser, its moving average and its batches.

    Attributes:
        group: the processes that learn together.
        device: where the network works.
        precision: in which numbers.
        network: what learns, behind its normalisation.
        optimiser: changes it.
        average: the moving average of its weights.
        teachers: whose predictions it learns from, if any.
        batch_size: patches a step, in all processes together.
        loader: makes the batches of this process.
        gradients: makes the gradients of a step.
        compilation: what became of the attempt to compile it; empty where there was none.

    Args:
        config: the settings.
        train: the training patches.
        fresh: start from the pretrained weights, and not from those of a checkpoint.
        notify: gets a sentence when the memory has run out.

    Raises:
        ConfigError: the settings do not fit the network, the device or the number of processes.
        WeightsError: the pretrained weights are not to be had.
        BundleError: a teacher is none.
    """

    def __init__(
        self,
        config: TrainingConfig,
        train: Patches,
        *,
        fresh: bool = True,
        notify: Callable[[str], None] = lambda _: None,
    ):
        self.config, self.group = config, ProcessGroup(config.device)
        self.device = self.group.device
        self.precision = Precision(config.precision, self.device)
        # An epoch has full batches only: with fewer patches than that it would have no step.
        self.batch_size = min(config.batch_size, len(train))
        _check_shares(self.batch_size, self.group.size)
        network = _built(config)
        if fresh:
            load_pretrained(network, config.pretrained)
        network = models.Normalised(network, mean=config.mean, std=config.std)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)
        self._head = head_of(network.network, config)
        # Average and checkpoint hold the bare network and not what becomes of it further down, so that names of weights
        # are the same for any number of processes.
        self.average = MovingAverage(network, config.ema)
        self.optimiser = make_optimiser(network.network, config)
        self.teachers = _teachers(config, self.device, self.precision)
        share = (self.group.place, self.group.size)
        self.loader = BatchLoader(train, config, device=self.device, share=share, notify=notify)
        model, self.compilation = self._perhaps_compiled(len(train))
        self.gradients = Gradients(
            self.group.together(model, some_frozen=config.frozen_epochs > 0), config, train.labels,
            precision=self.precision, device=self.device, teachers=self.teachers, share=share, notify=notify,
            plain=None if model is self.network else self.network,
        )  # fmt: skip

    def _perhaps_compiled(self, patches: int) -> tuple[nn.Module, str]:
        """Return the network, compiled where that is wanted and works in all processes, and what became of it."""
        steps = self.config.epochs * (patches // self.batch_size)
        pays = self.device.type == "cuda" and steps >= COMPILED_FROM
        if self.config.compile == "off" or (self.config.compile == "gpu" and not pays):
            return self.network, ""
        shape = (self.batch_size // self.group.size, 3, PATCH_SIZE, PATCH_SIZE)
        images = torch.rand(shape, device=self.device).contiguous(memory_format=torch.channels_last)
        model, outcome = compiled(self.network.train(), images, self.precision, graphs=self.group.size == 1)
        # Alone, one that was compiled would wait for others that were not, or they for it.
        if not self.group.all_agree(model is not self.network) and model is not self.network:
            return self.network, "not compiled (another process could not)"
        return model, outcome

    def prepare(self, *, frozen: bool) -> None:
        """Make the network ready to learn: all of it, or with a `frozen` backbone only the head."""
        train_mode(self.network, self._head, frozen=frozen)

    def learn(self, batch: Batch) -> Tensor:
        """Take one step and return the mean loss over the patches of all processes, on the device.

        Raises:
            TrainingError: the memory does not suffice.
        """
        loss = self.gradients.make(batch)
        scaler = self.precision.scaler
        if self.config.clip:
            # The limit is for the true gradients, and in fp16 they are still multiplied by the scale.
            scaler.unscale_(self.optimiser)
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        try:
            scaler.step(self.optimiser)
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise _no_memory_to_change(batch.step) from error
            raise
        scaler.update()
        self.optimiser.zero_grad()
        self.average.update(batch.step)
        # All shares are of one size (_check_shares), so the mean of their means is that of the batch.
        return self.group.mean(loss)

    def state(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs, as tensors and plain values."""
        return {
            "model": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.average,
            "pieces": self.gradients.pieces,
            "at_once": self.loader.at_once,
            "compiled": self.gradients.is_compiled,
            "scaler": self.precision.scaler.state_dict(),
            "teachers": [bundle.digest for bundle in self.teacher_bundles],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken; what an earlier version did not write yet keeps its first value.

        Raises:
            RunError: it was taken with other teachers.
        """
        before, now = state.get("teachers", []), [bundle.digest for bundle in self.teacher_bundles]
        if now != before:
            raise RunError(
                f"The teachers are not those that the run began with: their digests were {', '.join(before)} and are "
                f"{', '.join(now)}. Put the files back, or start a new run."
            )
        self.network.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average.average = state["average"]
        self.gradients.pieces = state.get("pieces", 1)
        self.loader.at_once = state.get("at_once", 0)
        self._restore_compiled(was=state.get("compiled", self.gradients.is_compiled))
        if state.get("scaler"):
            self.precision.scaler.load_state_dict(state["scaler"])

    def _restore_compiled(self, *, was: bool) -> None:
        if not was:  # it failed on the way
            self.gradients.go_plain()
        elif not self.gradients.is_compiled:
            logger.warning("The network was compiled before and is not now: the last digits may differ from here on.")

    @property
    def teacher_bundles(self) -> tuple[Bundle, ...]:
        """The teachers' bundles, in the order of the settings; none where nobody teaches."""
        return self.teachers.bundles if self.teachers else ()


def _built(config: TrainingConfig) -> nn.Module:
    try:
        models.check(config.model, config.model_arguments)
        torch.manual_seed(config.seed)  # the same initial weights in all processes and for the same seed
        network = models.build(config.model, **config.model_arguments)
    except models.UnknownModelError as error:
        raise ConfigError(str(error)) from error
    if getattr(network, "side", PATCH_SIZE) != PATCH_SIZE:
        logger.info("Patches are enlarged to %d×%d for %s.", network.side, network.side, config.model)
    return network


def _teachers(config: TrainingConfig, device: torch.device, precision: Precision) -> Teachers | None:
    if not config.teachers:
        return None
    return Teachers([load_bundle(path) for path in config.teachers], device=device, bf16=precision.is_bf16)


def _check_shares(batch_size: int, processes: int) -> None:
    if batch_size % processes:
        raise ConfigError(
            f"A batch of {batch_size} patches cannot be shared evenly by {processes} processes. Choose a batch size "
            f"that is a multiple of {processes}."
        )


def _no_memory_to_change(step: int) -> TrainingError:
    return TrainingError(
        f"The memory ran out while the weights were being changed in step {step + 1}. Some of them may have changed "
        "already, so the step is not repeated. Close other programs or choose a smaller network; the last checkpoint "
        "is kept, and the run can be resumed from it."
    )


def train_mode(network: nn.Module, head: nn.Module | None, *, frozen: bool) -> None:
    """Make the network ready for training: all of it, or with a `frozen` backbone only the head.

    A frozen backbone keeps its weights and the running means of its norms, and drops nothing out.
    """
    network.train()
    network.requires_grad_(True)
    if frozen and head is not None:
        network.eval()
        network.requires_grad_(False)
        head.train()
        head.requires_grad_(True)
