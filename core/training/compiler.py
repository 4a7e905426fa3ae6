"""A network compiled for its training, where a compiler works and does what the network itself does."""

import logging
from typing import Any

import torch
from torch import Tensor, nn

from core.training.precision import Precision

logger = logging.getLogger("nodescope.training")

COMPILED_FROM = 5_000
"""Steps from which on compiling, which takes about a minute, pays on a GPU."""

PASSES = 3
"""With CUDA graphs the first pass prepares, the second is recorded, and only the third is what all others will be."""

APART = {"fp32": 1e-3, "bf16": 0.05, "fp16": 0.02}
"""How far the gradients of the compiled network may be from its own, as a share of their length."""


def compiled(model: nn.Module, images: Tensor, precision: Precision, *, graphs: bool = True) -> tuple[nn.Module, str]:
    """Return the model as it learns fastest, and what became of the attempt.

    On CUDA first with CUDA graphs, which launch all kernels of a pass at once.

    Args:
        model: in training mode; it is as before afterwards.
        images: a batch of the shape that all will have.
        precision: under which it learns.
        graphs: whether CUDA graphs may be tried.
    """
    first = ""
    for way in _ways(images.device, graphs=graphs):
        try:
            faster: nn.Module = torch.compile(model, **way)  # type: ignore[assignment]
            _try(model, faster, images, precision)
        except Exception as error:  # noqa: BLE001 - whatever a compiler fails with, the network can do without one
            lines = str(error).strip().splitlines()
            first = first or f"not compiled ({type(error).__name__})"
            logger.warning("An attempt to compile the network failed: %s", lines[0] if lines else first)
        else:
            outcome = "compiled with CUDA graphs" if _has_graphs(way) else "compiled"
            logger.info("The network is %s.", outcome)
            return faster, outcome
    logger.warning("The network is not compiled, and learns as it is.")
    return model, first


def _ways(device: torch.device, *, graphs: bool) -> list[dict[str, Any]]:
    if device.type != "cuda":
        return [{}]
    # A resumed run has to end with the same bits: kernels are not chosen by a race, and dropout draws as it always
    # does.
    same = {"deterministic": True, "fallback_random": True}
    ways: list[dict[str, Any]] = [{"options": {**same, "triton.cudagraphs": True}}] if graphs else []
    return [*ways, {"options": same}]


def _has_graphs(way: dict[str, Any]) -> bool:
    return "triton.cudagraphs" in way.get("options", {})


def _try(model: nn.Module, faster: nn.Module, images: Tensor, precision: Precision) -> None:
    """Learn a few times and compare. Raises whatever fails, and ``ArithmeticError`` where the gradients are others."""
    # A forward pass in training mode moves the running means of norms; they are put back.
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        for _ in range(PASSES - 1):
            _gradients(model, faster, images, precision)
        # Another batch: what was recorded must take in what it is given, and not what it was recorded with.
        other = images.flip(0, 2).mul(0.5).contiguous(memory_format=torch.channels_last)
        model.load_state_dict(before)
        found = _gradients(model, faster, other, precision)
        model.load_state_dict(before)
        expected = _gradients(model, model, other, precision)
        apart = float((found - expected).norm() / expected.norm().clamp(min=1e-12))
        if not apart <= APART[precision.name]:
            raise ArithmeticError(f"its gradients differ from those of the network by {apart:.2g} of their length")
    finally:
        model.zero_grad()
        model.load_state_dict(before)


def _gradients(model: nn.Module, run: nn.Module, images: Tensor, precision: Precision) -> Tensor:
    """Return the gradients of all weights after a pass of `run`, which is the model or made of it, float32 (P,)."""
    model.zero_grad()
    torch.manual_seed(0)  # of the dropout
    with precision.cast():
        logits = run(images)
    # The backward pass is compiled when it is first needed, and may fail as well.
    logits.float().sum().backward()
    return torch.cat([each.grad.float().flatten() for each in model.parameters() if each.grad is not None])
