"""Optimiser, learning rate and moving average of the weights."""

import math
from typing import Any

import torch
from torch import nn

from core.errors import ConfigError
from core.runs.config import TrainingConfig

WARM_UP = 0.1
"""Share of the steps of a one-cycle schedule in which the learning rate rises."""


def make_optimiser(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Return the optimiser; each group knows its largest learning rate as ``peak``.

    Raises:
        ConfigError: the last layer is to have its own learning rate, and the network does not name it.
    """
    last = head_of(model, config)
    head = set() if last is None else {id(parameter) for parameter in last.parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            # One dimension: biases and the factors of norms, which AdamW leaves without decay.
            groups.setdefault((id(parameter) in head, parameter.ndim > 1), []).append(parameter)
    rate, head_rate = config.learning_rate, config.head_learning_rate or config.learning_rate
    options = [
        {
            "params": parameters,
            "lr": head_rate if is_head else rate,
            "peak": head_rate if is_head else rate,
            "weight_decay": config.weight_decay if decays or config.optimiser == "adam" else 0.0,
        }
        for (is_head, decays), parameters in groups.items()
    ]
    kind = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
    return kind(options, fused=True)  # one pass over the weights instead of ten


def head_of(network: nn.Module, config: TrainingConfig) -> nn.Module | None:
    """Return the network's last layer, None where it names none.

    Raises:
        ConfigError: it names none, and the settings treat it apart.
    """
    named = getattr(network, "head", None)
    if callable(named):
        head: nn.Module = named()
        return head
    for name in ("head_learning_rate", "frozen_epochs"):
        if getattr(config, name):
            raise ConfigError(
                f"{name} is {getattr(config, name)}, but the network {config.model} does not tell its head from the "
                f"rest. Leave {name} out, or choose a network such as efficientnet-lite0 or resnet50."
            )
    return None


class Schedule:
    """The learning rate as a function of the step and, for "plateau", of the validation losses so far.

    torch's schedulers are not used: they multiply the rate of the step before, which adds up rounding and has to be
    replayed after a resume; here the rate of a step follows only from its number.
    """

    def __init__(self, config: TrainingConfig, *, total_steps: int):
        self.kind = config.schedule
        self.patience = config.plateau_patience
        self.total_steps = total_steps
        self.scale = 1.0
        self.best_loss = math.inf
        self.bad_epochs = 0

    def factor(self, step: int) -> float:
        """Return what the largest learning rate is multiplied by at `step`, counted from 0."""
        if self.kind != "one-cycle":
            return self.scale
        rise = max(1.0, self.total_steps * WARM_UP)
        if step < rise:
            # + 1, because a first step at rate 0 would be wasted.
            return (step + 1) / (rise + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1.0, self.total_steps - rise)))

    def apply(self, optimiser: torch.optim.Optimizer, step: int) -> float:
        """Set the learning rates for `step` and return the largest one of the network's body."""
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * self.factor(step)
        return float(optimiser.param_groups[0]["lr"])

    def end_epoch(self, valid_loss: float) -> None:
        """Halve the scale of "plateau" when the loss has not fallen for more than `patience` epochs."""
        if valid_loss < self.best_loss:
            self.best_loss, self.bad_epochs = valid_loss, 0
        else:
            self.bad_epochs += 1
        if self.kind == "plateau" and self.bad_epochs > self.patience:
            self.scale, self.bad_epochs = self.scale / 2, 0

    def state(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        return {"scale": self.scale, "best_loss": self.best_loss, "bad_epochs": self.bad_epochs}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken."""
        self.scale, self.best_loss, self.bad_epochs = state["scale"], state["best_loss"], state["bad_epochs"]


class MovingAverage:
    """An exponential moving average of weights and buffers; with `decay` 0 it is the weights themselves.

    In the first steps the average is over what there is: the decay is at most (1 + step) / (10 + step).
    torch.optim.swa_utils.AveragedModel gives other bits: it has one decay for all steps, starts from the weights after
    the first one instead of before it, and averages counters of steps as well.

    Attributes:
        average: the averaged state, by name.

    Args:
        model: its parameters and buffers are looked up once.
        decay: see above.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        # The parameters themselves: what several processes share is given other memory after this.
        self._live = dict(model.state_dict(keep_vars=True))
        self.average = {name: value.detach().clone() for name, value in self._live.items()}
        self._names = [name for name, value in self._live.items() if decay and value.is_floating_point()]
        self._others = [name for name in self._live if name not in set(self._names)]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after `step`."""
        # As in TensorFlow's ExponentialMovingAverage; at step 0 a tenth of the initial weights stays.
        decay = min(self.decay, (1 + step) / (10 + step))
        for names, take in ((self._names, decay), (self._others, 0.0)):
            averages, values = [self.average[name] for name in names], [self._live[name] for name in names]
            # One call for all tensors, which a GPU needs few kernels for; these functions refuse an empty list.
            if averages and take:
                torch._foreach_lerp_(averages, values, 1 - take)
            elif averages:
                torch._foreach_copy_(averages, values)
