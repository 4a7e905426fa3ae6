"""In which numbers a network is computed while it learns: fp32, or mixed with bf16 or fp16 (torch.autocast)."""

from contextlib import AbstractContextManager, nullcontext

import torch

from core.device import has_bf16
from core.errors import ConfigError

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """A kind of numbers on a device.

    Attributes:
        name: "fp32", "bf16" or "fp16".
        scaler: multiplies the loss, so that small gradients do not vanish in fp16, and leaves a step out when they are
            too large for it; with the others it does nothing.

    Args:
        wanted: one of these, or "auto": bf16 on a GPU that computes in it, else fp32.
        device: where the network works.

    Raises:
        ConfigError: fp16 is wanted where it is not learnt in.
    """

    def __init__(self, wanted: str, device: torch.device):
        self.name = ("bf16" if has_bf16(device) else "fp32") if wanted == "auto" else wanted
        if self.name == "fp16" and device.type != "cuda":
            raise ConfigError(
                f"precision is fp16, and this run works on {'a CPU' if device.type == 'cpu' else device.type}, which "
                "learns no faster in it and loses small gradients. Choose bf16 or fp32, or a GPU."
            )
        self._device = device
        # bf16 has the exponents of fp32, so that small gradients do not vanish in it.
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.name == "fp16")

    @property
    def is_bf16(self) -> bool:
        """Whether it is bf16."""
        return self.name == "bf16"

    def cast(self) -> AbstractContextManager[None]:
        """Return what a forward pass is made under."""
        if self.name == "fp32":
            return nullcontext()
        cast: AbstractContextManager[None] = torch.autocast(self._device.type, dtype=_TYPES[self.name])
        return cast
