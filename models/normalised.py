"""A network with its normalisation in front."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


class Normalised(nn.Module):
    """Take pixels in [0, 1], subtract `mean`, divide by `std` (a value for each colour), and call `network`.

    Attributions then belong to pixels, not to normalised numbers. What a network declares about itself
    (``logit_map``, ``attribution_layer``, ``unsupported_attributions``) stays readable through the wrapper.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, *, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the tumour logit (N,) of float N×3×96×96 in [0, 1]."""
        logit: Tensor = self.network((x - self.mean) / self.std)
        return logit

    @property
    def logit_map(self) -> Callable[[Tensor], Tensor]:
        """What reads larger images, from float N×3×H×W in [0, 1] to a map of logits, as the network defines it.

        Missing (``hasattr`` tells) where the network has none.
        """
        whole: Callable[[Tensor], Tensor] = self.network.logit_map  # type: ignore[assignment]
        return lambda x: whole((x - self.mean) / self.std)

    @property
    def unsupported_attributions(self) -> dict[str, str] | None:
        """The methods that do not suit the network, each with the reason; None where it declares nothing."""
        declared: dict[str, str] | None = getattr(self.network, "unsupported_attributions", None)
        return declared

    def attribution_layer(self) -> nn.Module | None:
        """Return the layer that the network names for class activation maps, if it names one."""
        named = getattr(self.network, "attribution_layer", None)
        layer: nn.Module | None = named() if named is not None else None
        return layer
