"""The last layer of a network and all that stands before it."""

from torch import nn

from core.errors import ConfigError
from core.runs.config import TrainingConfig


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


def train_mode(network: nn.Module, head: nn.Module | None, *, frozen: bool) -> None:
    """Make the network ready for training: all of it, or with a `frozen` backbone the head alone.

    A frozen backbone keeps its weights and the running means of its norms, and drops nothing out.
    """
    network.train()
    network.requires_grad_(True)
    if frozen and head is not None:
        network.eval()
        network.requires_grad_(False)
        head.train()
        head.requires_grad_(True)
