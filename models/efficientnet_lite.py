"""EfficientNet-Lite0, 1 and 2 with one logit.

Architecture: Tan & Le, "EfficientNet", 2019; the Lite variant (Google, 2020) has no squeeze-and-excitation, uses
ReLU6, and keeps stem, top and the number of blocks in the first and last stage. Its modules stand in the order of the
published weights.
"""

import math
from collections import OrderedDict
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.enlarged import PATCH, check_side, enlarge
from models.registry import register

# kernel, stride of the first block, expansion, width, blocks: those of Lite0
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)

SCALES = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2))  # of version 0, 1 and 2: times the width, times the blocks


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: output side = ceil(input side / stride), the odd pixel after."""

    def forward(self, x: Tensor) -> Tensor:
        """Return N×C'×ceil(H/stride)×ceil(W/stride)."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        padding = []
        for side in (x.shape[3], x.shape[2]):
            total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            padding += [total // 2, total - total // 2]
        if padding[0] == padding[1] == padding[2] == padding[3]:
            return F.conv2d(x, self.weight, self.bias, self.stride, padding[0], self.dilation, self.groups)
        return F.conv2d(F.pad(x, padding), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class ReLU6(nn.ReLU6):
    """min(max(x, 0), 6); in inference mode it overwrites its input, which saves a pass over memory."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of `x`."""
        # Asked in evaluation only: a compiler cannot look behind this question, and would leave the network in pieces.
        return F.relu6(x, inplace=not self.training and torch.is_inference_mode_enabled())


def _scaled_width(width: int, scale: float) -> int:
    """Return the multiple of 8 that is nearest to width × scale (all of these lose less than a tenth by it)."""
    return int(width * scale + 4) // 8 * 8


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """Expand (1×1), filter each channel (k×k), project (1×1); with a shortcut where the shapes allow it."""

    def __init__(self, *, width_in: int, width: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        inner = width_in * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += [nn.Conv2d(width_in, inner, 1, bias=False), _norm(inner), ReLU6()]
        layers += [
            SameConv2d(inner, inner, kernel, stride=stride, groups=inner, bias=False),
            _norm(inner),
            ReLU6(),
            nn.Conv2d(inner, width, 1, bias=False),
            _norm(width),
        ]
        self.layers = nn.Sequential(*layers)
        self.shortcut = stride == 1 and width_in == width

    def forward(self, x: Tensor) -> Tensor:
        """Return N×width×H/stride×W/stride of N×width_in×H×W."""
        y: Tensor = self.layers(x)
        return x + y if self.shortcut else y


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite for 96×96 patches: features of 320 channels (Lite2: 352), 3×3, pooled over 1280 to one logit.

    Args:
        version: 0, 1 or 2; Lite1 has five blocks more than Lite0, Lite2 is a tenth wider than Lite1 as well.
        dropout: share of the pooled features that is dropped in training.
        side: patches are first enlarged to this many pixels a side, bilinearly. The published weights know things from
            pictures of 224 (Lite1: 240, Lite2: 260), in which they are larger; the cost grows with the area.

    Raises:
        ValueError: `side` is smaller than a patch, or so large that a batch would not fit into memory.
    """

    unsupported_attributions: ClassVar[dict[str, str]] = {
        "lrp": "It has no rule for ReLU6 layers, which this network has.",
    }

    def __init__(self, version: int, *, dropout: float = 0.2, side: int = PATCH):
        super().__init__()
        check_side(side)
        self.version = version
        self.side = side
        width_scale, depth_scale = SCALES[version]
        self.stem = nn.Sequential(SameConv2d(3, 32, 3, stride=2, bias=False), _norm(32), ReLU6())
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        width_in = 32
        for stage, (kernel, stride, expansion, lite0_width, lite0_count) in enumerate(STAGES):
            width = _scaled_width(lite0_width, width_scale)
            is_outer = stage in (0, len(STAGES) - 1)
            count = lite0_count if is_outer else math.ceil(lite0_count * depth_scale)
            for number in range(count):
                blocks[f"stage{stage}_{number}"] = InvertedResidual(
                    width_in=width_in,
                    width=width,
                    kernel=kernel,
                    stride=stride if number == 0 else 1,
                    expansion=expansion,
                )
                width_in = width
        self.blocks = nn.Sequential(blocks)
        self.top = nn.Sequential(nn.Conv2d(width_in, 1280, 1, bias=False), _norm(1280), ReLU6())
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(1280, 1)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tumour logit (N,) of float N×3×96×96."""
        pooled = self.top(self.blocks(self.stem(enlarge(x, self.side)))).mean(dim=(2, 3))
        logit: Tensor = self.classifier(self.dropout(pooled)).squeeze(1)
        return logit

    def attribution_layer(self) -> nn.Module:
        """Return the layer for class activation maps: the end of stage 4, a cell for 16×16 (enlarged) pixels."""
        last = [name for name, _ in self.blocks.named_children() if name.startswith("stage4_")][-1]
        return self.blocks.get_submodule(last)

    def head(self) -> nn.Module:
        """Return the layer that is trained while the backbone is frozen."""
        return self.classifier

    def load_imagenet(self, weights: dict[str, Tensor]) -> None:
        """Load the published ImageNet weights, whatever their names; the classifier stays as it is.

        Args:
            weights: state of the published network, in its order: stem, blocks, top, then the classifier.

        Raises:
            ValueError: number or shapes of the tensors differ.
        """
        mine = {name: value for name, value in self.state_dict().items() if not name.startswith("classifier.")}
        theirs = list(weights.values())[: len(mine)]
        if [value.shape for value in mine.values()] != [value.shape for value in theirs]:
            name = f"EfficientNet-Lite{self.version}"
            raise ValueError(f"expected {len(mine)} tensors of {name}, got {len(weights)} others")
        with torch.no_grad():
            for target, source in zip(mine.values(), theirs, strict=True):
                target.copy_(source)


@register("efficientnet-lite0")
def efficientnet_lite0(*, dropout: float = 0.2, side: int = PATCH) -> EfficientNetLite:
    """Return an EfficientNet-Lite0 with one logit."""
    return EfficientNetLite(0, dropout=dropout, side=side)


@register("efficientnet-lite1")
def efficientnet_lite1(*, dropout: float = 0.2, side: int = PATCH) -> EfficientNetLite:
    """Return an EfficientNet-Lite1 with one logit."""
    return EfficientNetLite(1, dropout=dropout, side=side)


@register("efficientnet-lite2")
def efficientnet_lite2(*, dropout: float = 0.2, side: int = PATCH) -> EfficientNetLite:
    """Return an EfficientNet-Lite2 with one logit."""
    return EfficientNetLite(2, dropout=dropout, side=side)
