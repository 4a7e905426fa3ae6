"""Batch norms folded into convolutions, for networks that only predict."""

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold(network: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode, in which a norm right behind a convolution is folded into its weights.

    In evaluation mode such a norm is a scale and a shift of each channel, so predictions stay the same but for rounding
    and a pass over the features is saved. "Right behind" is meant as the modules stand in their parent; every network
    of Nodescope calls its modules in that order (a test holds that). Others need not, see :func:`agree`. Norms of
    subclasses stay: those of timm have their activation inside.
    """
    folded = copy.deepcopy(network).eval()
    for parent in list(folded.modules()):
        for (name, module), (next_name, next_module) in pairwise(list(parent.named_children())):
            if isinstance(module, nn.Conv2d) and type(next_module) is nn.BatchNorm2d:
                setattr(parent, name, fuse_conv_bn_eval(module, next_module))
                setattr(parent, next_name, nn.Identity())
    return folded


def agree(network: nn.Module, other: nn.Module, *, side: int = 96) -> bool:
    """Tell whether two networks give patches of noise the same logits but for rounding, in evaluation mode."""
    pixels = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return torch.allclose(network(pixels), other(pixels), rtol=1e-3, atol=1e-3)
