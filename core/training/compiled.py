"""torch.compile, where it works: tried once before the training, and left out with a reason where it does not."""

import logging

import torch
from torch import Tensor, nn

from core.training.precision import Precision

logger = logging.getLogger("nodescope.training")


def compiled(model: nn.Module, images: Tensor, precision: Precision) -> tuple[nn.Module, str]:
    """Return the model as it learns fastest, and in words what became of the attempt.

    Args:
        model: in training mode; it is as before afterwards.
        images: a batch of the shape that all will have.
        precision: under which it learns.
    """
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        faster: nn.Module = torch.compile(model)  # type: ignore[assignment]
        with precision.cast():
            logits = faster(images)
        logits.float().sum().backward()
    except Exception as error:  # noqa: BLE001 - whatever a compiler fails with, the network can do without one
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        words = f"not compiled ({type(error).__name__})"
        logger.warning("The network is not compiled, and learns as it is: %s", first)
        faster = model
    else:
        words = "compiled"
        logger.info("The network is compiled.")
    finally:
        model.zero_grad()
        model.load_state_dict(before)
    return faster, words
