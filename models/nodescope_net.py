"""Nodescope's own network: exact under flips and turns, without padding, and built to be explained.

Tissue has no up and no left: the layers commute with the eight symmetries of the patch (:mod:`models.d4`). No layer
pads: applied to a larger image, the network gives the logit of every 96×96 patch on a grid of 8 pixels. Without padding
the last 4×4 cells look, in steps of 8 pixels, at places whose 8×8 squares tile exactly the labelled centre 32×32, and
each of them sees 72×72 pixels around; the mean over these cells is the prior that the label asks for.

    layer   kernel   side of the map    sees    step of the cells (all in pixels)
    lift    6, /2    46                  6       2
    conv2   3        44                 10       2
    pool2   2, /2    22                 12       4
    conv3   3        20                 20       4
    conv4   3        18                 28       4
    conv5   3        16                 36       4
    pool5   2, /2     8                 40       8
    conv6   3         6                 56       8
    conv7   3         4                 72       8

Every map before a step of 2 has an even side and every strided window reaches both edges, so nothing is dropped on one
side only; that is what keeps the symmetry exact. Behind the last layer everything is linear: the mean over
orientations, the mean over cells, the classifier.

Cohen & Welling 2016 (arXiv:1602.07576); Veeling et al. 2018 (arXiv:1806.03962), the first such network on PCam.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from models import d4
from models.registry import register

SIDE = 96
"""Side in pixels of the patch whose logit the network gives."""

STRIDE = 8
"""Step in pixels between the values of a logit map."""

BAKED = "nodescope-net-baked"
"""Name in the registry of what :meth:`NodescopeNet.bake` returns."""

WIDTHS = (4, 6, 10, 12, 18, 30, 44)
"""Fields of each convolution; a plain network would need eight times as many channels."""

_POOLED = frozenset((2, 5))  # numbers of the convolutions, from 1, that 2×2 average pooling follows
_CELLS = 4
_DETAILED = "relu6"  # 6×6 cells, the fewest from which a map can be drawn


class NodescopeNet(nn.Module):
    """Seven D4-equivariant convolutions, each normalised and rectified, and a linear head on pooled features.

    Args:
        widths: fields of the seven convolutions.
        dropout: share of the pooled features that is dropped in training.

    Raises:
        ValueError: there are not seven widths of at least 1.
    """

    unsupported_attributions: ClassVar[dict[str, str]] = {
        "lrp": "It has no rule for the symmetric layers of this network.",
    }

    def __init__(self, *, widths: Sequence[int] = WIDTHS, dropout: float = 0.1):
        super().__init__()
        self.widths, self.dropout_share = _checked(widths), dropout
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number, fields in enumerate(self.widths, start=1):
            if number == 1:
                layers["conv1"] = d4.LiftConv2d(3, fields, 6, stride=2)
            else:
                layers[f"conv{number}"] = d4.GroupConv2d(self.widths[number - 2], fields, 3)
            layers[f"norm{number}"] = d4.FieldNorm(fields)
            layers[f"relu{number}"] = nn.ReLU()
            if number in _POOLED:
                layers[f"pool{number}"] = nn.AvgPool2d(2)
        self.layers = nn.Sequential(layers)
        self.orientations = d4.GroupPool()
        self.cells = d4.RingPool(_CELLS)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(self.widths[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tumour logit (N,) of float N×3×96×96.

        Raises:
            ValueError: the patches have another size; :meth:`logit_map` takes larger ones.
        """
        return self.logit_map(_patches(x))[:, 0, 0]

    def logit_map(self, x: Tensor) -> Tensor:
        """Return the logit of every 96×96 patch on a grid of 8 pixels.

        Args:
            x: float N×3×H×W, at least 96×96.

        Returns:
            N×((H-96)//8+1)×((W-96)//8+1): value (i, j) is the logit of x[..., 8i:8i+96, 8j:8j+96].

        Raises:
            ValueError: the image is smaller than a patch.
        """
        pooled = self.cells(self.orientations(self.layers(_large_enough(x))))
        logits: Tensor = self.classifier(self.dropout(pooled.permute(0, 2, 3, 1))).squeeze(3)
        return logits

    def attribution_layer(self) -> nn.Module:
        """Return the layer for class activation maps: 6×6 cells, each of which sees 56×56 pixels."""
        return self.layers.get_submodule(_DETAILED)

    def head(self) -> nn.Module:
        """Return the last layer."""
        return self.classifier

    def bake(self) -> "BakedNodescopeNet":
        """Return the plain network that gives, in evaluation mode, the same logits; this one stays as it is.

        Filters are written out in their eight orientations, normalisations are folded into them, and the head becomes
        one convolution.
        """
        baked = BakedNodescopeNet(widths=self.widths)
        for number in range(1, len(self.widths) + 1):
            convolution, norm = self.layers.get_submodule(f"conv{number}"), self.layers.get_submodule(f"norm{number}")
            plain = d4.fold(convolution, norm)  # type: ignore[arg-type]
            baked.layers.get_submodule(f"conv{number}").load_state_dict(plain.state_dict())
        with torch.no_grad():
            share = self.classifier.weight.double() / d4.ORDER
            window = self.cells.window().double()
            baked.classifier.weight.copy_(share.repeat(1, d4.ORDER)[:, :, None, None] * window)
            baked.classifier.bias.copy_(self.classifier.bias)  # type: ignore[union-attr]
        return baked.to(self.classifier.weight).train(self.training)


class BakedNodescopeNet(nn.Module):
    """A trained :class:`NodescopeNet` as plain convolutions, ReLU and average pooling; the head is a convolution.

    It gives the same logits without the symmetric layers, more than twice as fast as a ResNet18 on one CPU core.

    Args:
        widths: those of the network that was baked.

    Raises:
        ValueError: there are not seven widths of at least 1.
    """

    unsupported_attributions: ClassVar[dict[str, str]] = {}

    def __init__(self, *, widths: Sequence[int] = WIDTHS):
        super().__init__()
        channels = [d4.ORDER * fields for fields in _checked(widths)]
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number, width in enumerate(channels, start=1):
            if number == 1:
                layers["conv1"] = nn.Conv2d(3, width, 6, stride=2)
            else:
                layers[f"conv{number}"] = nn.Conv2d(channels[number - 2], width, 3)
            layers[f"relu{number}"] = nn.ReLU()
            if number in _POOLED:
                layers[f"pool{number}"] = nn.AvgPool2d(2)
        self.layers = nn.Sequential(layers)
        self.classifier = nn.Conv2d(channels[-1], 1, _CELLS)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tumour logit (N,) of float N×3×96×96.

        Raises:
            ValueError: the patches have another size; :meth:`logit_map` takes larger ones.
        """
        logits: Tensor = self.classifier(self.layers(_patches(x)))
        return logits.flatten()

    def logit_map(self, x: Tensor) -> Tensor:
        """Return the logit of every 96×96 patch on a grid of 8 pixels, as :meth:`NodescopeNet.logit_map` does."""
        logits: Tensor = self.classifier(self.layers(_large_enough(x))).squeeze(1)
        return logits

    def attribution_layer(self) -> nn.Module:
        """Return the layer for class activation maps: 6×6 cells, each of which sees 56×56 pixels."""
        return self.layers.get_submodule(_DETAILED)


@register("nodescope-net")
def nodescope_net(*, widths: Sequence[int] = WIDTHS, dropout: float = 0.1) -> NodescopeNet:
    """Return Nodescope's network, to be trained."""
    return NodescopeNet(widths=widths, dropout=dropout)


@register(BAKED)
def nodescope_net_baked(*, widths: Sequence[int] = WIDTHS, dropout: float = 0.1) -> BakedNodescopeNet:
    """Return the plain form of Nodescope's network; takes what its twin takes, and has no use for `dropout`."""
    del dropout
    return BakedNodescopeNet(widths=widths)


def _checked(widths: Sequence[int]) -> tuple[int, ...]:
    if len(widths) != len(WIDTHS) or not all(isinstance(width, int) and width >= 1 for width in widths):
        raise ValueError(f"the network has {len(WIDTHS)} widths of at least 1; found {tuple(widths)}")
    return tuple(widths)


def _patches(x: Tensor) -> Tensor:
    if x.shape[2:] != (SIDE, SIDE):
        raise ValueError(f"patches are N×3×{SIDE}×{SIDE}; found {tuple(x.shape)}; logit_map() takes larger images")
    return x


def _large_enough(x: Tensor) -> Tensor:
    if x.dim() != 4 or min(x.shape[2:]) < SIDE:
        raise ValueError(f"an image is N×3×H×W with sides of at least {SIDE}; found {tuple(x.shape)}")
    return x
