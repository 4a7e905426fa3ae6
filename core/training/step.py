"""A network that learns one step at a time: what a run, the learning-rate finder and an estimate share."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor, nn

import models
from core.bundle import Bundle, load_bundle
from core.data.store import PATCH_SIZE
from core.device import resolve_device
from core.errors import ConfigError, RunError, TrainingError
from core.runs.config import TrainingConfig
from core.training.data import Patches
from core.training.distillation import Teachers
from core.training.distributed import ProcessGroup
from core.training.gradients import Gradients
from core.training.loader import Batch, BatchLoader
from core.training.memory import is_out_of_memory
from core.training.optimiser import MovingAverage, head_of, make_optimiser
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
        self._accelerator = _accelerator(config)
        device = self._accelerator.device
        self.device = torch.device("cpu") if device.type == "cpu" else device  # there is no second CPU, as "cpu:1" says
        self.precision = Precision(config.precision, self.device)
        # An epoch has full batches only: with fewer patches than that it would have no step.
        self.batch_size = min(config.batch_size, len(train))
        _check_shares(self.batch_size, self.group.size)
        torch.manual_seed(config.seed)  # the same initial weights in all processes and for the same seed
        network = models.build(config.model, **config.model_arguments)
        if fresh:
            load_pretrained(network, config.pretrained)
        network = models.Normalised(network, mean=config.mean, std=config.std)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)
        self._head = head_of(network.network, config)
        # Average and checkpoint hold the bare network and not what accelerate makes of it further down, so that names
        # of weights are the same for any number of processes.
        self.average = MovingAverage(network, config.ema)
        self.optimiser = make_optimiser(network.network, config)
        self.teachers = _teachers(config, self.device, self.precision)
        share = (self._accelerator.process_index, self.group.size)
        self.loader = BatchLoader(train, config, device=self.device, share=share)
        model = self._accelerator.prepare_model(self.network)
        self.compilation = ""
        if config.compile == "auto":
            shape = (self.batch_size // self.group.size, 3, PATCH_SIZE, PATCH_SIZE)
            images = torch.rand(shape, device=self.device).contiguous(memory_format=torch.channels_last)
            model, self.compilation = compiled(model.train(), images, self.precision)
        self.gradients = Gradients(
            model, config, train.labels, precision=self.precision, device=self.device, teachers=self.teachers,
            share=share, notify=notify,
        )  # fmt: skip

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
        mean: Tensor = self._accelerator.reduce(loss, reduction="mean") if self.group.size > 1 else loss
        return mean

    def state(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs, as tensors and plain values."""
        return {
            "model": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.average,
            "pieces": self.gradients.pieces,
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
        if state.get("scaler"):
            self.precision.scaler.load_state_dict(state["scaler"])

    @property
    def teacher_bundles(self) -> tuple[Bundle, ...]:
        """The teachers' bundles, in the order of the settings; none where nobody teaches."""
        return self.teachers.bundles if self.teachers else ()


def _accelerator(config: TrainingConfig) -> Accelerator:
    # Precision is ours, so that one process may train in one and then in another. Where only a head learns, the
    # other weights have no gradients, which several processes must know beforehand.
    handler = DistributedDataParallelKwargs(find_unused_parameters=config.frozen_epochs > 0)
    is_cpu = resolve_device(config.device).type == "cpu"
    return Accelerator(cpu=is_cpu, mixed_precision="no", kwargs_handlers=[handler])


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


def compiled(model: nn.Module, images: Tensor, precision: Precision) -> tuple[nn.Module, str]:
    """Return the model as it learns fastest, and what became of the attempt.

    Args:
        model: in training mode; it is as before afterwards.
        images: a batch of the shape that all will have.
        precision: under which it learns.
    """
    # The trial is a forward pass in training mode, which moves the running means of batch norms.
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        faster: nn.Module = torch.compile(model)  # type: ignore[assignment]
        with precision.cast():
            logits = faster(images)
        # The backward pass is compiled when it is first needed, and may fail as well.
        logits.float().sum().backward()
    except Exception as error:  # noqa: BLE001 - whatever a compiler fails with, the network can do without one
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        outcome = f"not compiled ({type(error).__name__})"
        logger.warning("The network is not compiled, and learns as it is: %s", first)
        faster = model
    else:
        outcome = "compiled"
        logger.info("The network is compiled.")
    finally:
        model.zero_grad()
        model.load_state_dict(before)
    return faster, outcome
