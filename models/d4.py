"""Convolutions that commute with the eight flips and quarter turns of the plane, the group D4.

Turning or mirroring the patch turns or mirrors every feature map and permutes the eight orientations of each field,
and does nothing else; pooled over orientations and places, the features do not change at all. After Cohen & Welling,
"Group Equivariant Convolutional Networks", 2016 (arXiv:1602.07576), and Veeling et al., "Rotation Equivariant CNNs for
Digital Pathology", 2018 (arXiv:1806.03962), who showed on PCam what this saves in data.

A map of F fields is a tensor N×8F×H×W: channel g·F + f is field f in orientation g.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

ORDER = 8
"""Elements of D4. Element g mirrors left and right if g >= 4 and then turns by g % 4 quarters, counter-clockwise."""


def transform(x: Tensor, element: int) -> Tensor:
    """Return x (...×H×W) mirrored and turned by one of the eight elements, 0 being the identity."""
    mirrored = x.flip(-1) if element >= 4 else x
    return mirrored.rot90(element % 4, (-2, -1))


def product(first: int, second: int) -> int:
    """Return the element that acts like `second` and then `first`: mirroring a turn turns it the other way."""
    turns = first % 4 + (-second if first >= 4 else second) % 4
    return turns % 4 + 4 * ((first >= 4) != (second >= 4))


def inverse(element: int) -> int:
    """Return the element that undoes `element`; a mirroring undoes itself."""
    return element if element >= 4 else -element % 4


def lifting_table(kernel: int) -> Tensor:
    """Return where the eight copies of a filter k×k take their weights: int 8×k×k into the flattened filter."""
    places = torch.arange(kernel * kernel, device="cpu").view(kernel, kernel)
    return torch.stack([transform(places, element) for element in range(ORDER)])


def group_table(kernel: int) -> Tensor:
    """Return where the eight copies of a filter 8×k×k take their weights: int 8×8×k×k into the flattened filter.

    Copy g is turned by g and reads, at orientation h of its input, what the filter has for h as seen from g, that is
    for the element g⁻¹h: the group correlation of Cohen & Welling 2016.
    """
    places = torch.arange(ORDER * kernel * kernel, device="cpu").view(ORDER, kernel, kernel)
    seen = [[product(inverse(g), h) for h in range(ORDER)] for g in range(ORDER)]
    return torch.stack([transform(places[seen[g]], g) for g in range(ORDER)])


def _copies(filters: Tensor, table: Tensor) -> Tensor:
    """Return filters A×B×P at the places of a table 8×..., each of whose eight parts is a permutation of the P."""
    # The CPU keeps to what earlier versions did: sums in another order would give a resumed run other last digits.
    if filters.device.type == "cpu":
        return filters[:, :, table]
    copies: Tensor = _Permute.apply(filters, table)
    return copies


class _Permute(torch.autograd.Function):
    """Look up eight permutations of the last axis.

    The gradient of an ordinary look-up is sorted by place on a GPU, because it does not know that no place comes twice.
    Here each permutation is undone, and the eight are added up in one order.
    """

    @staticmethod
    def forward(ctx: Any, filters: Tensor, table: Tensor) -> Tensor:
        ctx.save_for_backward(table)
        return filters.index_select(2, table.flatten()).view(*filters.shape[:2], *table.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (table,) = ctx.saved_tensors
        back = table.flatten(1).argsort(dim=1).expand(*gradient.shape[:2], -1, -1)
        return gradient.flatten(3).gather(3, back).sum(dim=2), None


class LiftConv2d(nn.Module):
    """A convolution from colours to fields: each of its filters in eight orientations, without padding or bias.

    With a stride, exactness asks that the windows cover the image from edge to edge: (side - kernel) % stride == 0.
    """

    table: Tensor

    def __init__(self, channels: int, fields: int, kernel: int, *, stride: int = 1):
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(fields, channels, kernel, kernel))
        nn.init.normal_(self.weight, std=math.sqrt(2 / (channels * kernel**2)))  # He 2015, over what one output sums
        self.register_buffer("table", lifting_table(kernel), persistent=False)

    def expanded(self) -> Tensor:
        """Return the plain filters, 8F×channels×k×k."""
        return _copies(self.weight.flatten(2), self.table).permute(2, 0, 1, 3, 4).flatten(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return N×8F×H'×W' of N×channels×H×W."""
        return F.conv2d(x, self.expanded(), stride=self.stride)


class GroupConv2d(nn.Module):
    """A convolution from fields to fields over places and orientations, without padding or bias.

    A filter is stored once and used in eight orientations, each of which sees the others as it lies to them.
    """

    table: Tensor

    def __init__(self, fields_in: int, fields: int, kernel: int):
        super().__init__()
        self.stride = 1
        # Four axes, as .to(memory_format=...) of a whole network wants them; laid out like the channels of a map.
        self.weight = nn.Parameter(torch.empty(fields, ORDER * fields_in, kernel, kernel))
        nn.init.normal_(self.weight, std=math.sqrt(2 / (fields_in * ORDER * kernel**2)))  # He 2015
        self.register_buffer("table", group_table(kernel), persistent=False)

    def expanded(self) -> Tensor:
        """Return the plain filters, 8F×8F'×k×k, for F' fields in."""
        fields, channels, kernel, _ = self.weight.shape
        by_field = self.weight.reshape(fields, ORDER, channels // ORDER, kernel**2).transpose(1, 2)
        copies = _copies(by_field.flatten(2), self.table)  # F×F'×8×8×k×k
        return copies.permute(2, 0, 3, 1, 4, 5).flatten(2, 3).flatten(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return N×8F×H'×W' of N×8F'×H×W."""
        return F.conv2d(x, self.expanded())


class FieldNorm(nn.Module):
    """Batch normalisation of fields: mean, variance, scale and shift are shared by the eight orientations.

    Ioffe & Szegedy 2015 (arXiv:1502.03167), with one scale and shift for each field as in Cohen & Welling 2016. The
    moments are taken over orientations too, so that training is as symmetric as evaluation.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, fields: int, *, eps: float = 1e-5, momentum: float = 0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(fields))
        self.bias = nn.Parameter(torch.zeros(fields))
        self.register_buffer("running_mean", torch.zeros(fields))
        self.register_buffer("running_var", torch.ones(fields))

    def forward(self, x: Tensor) -> Tensor:
        """Return N×8F×H×W of N×8F×H×W."""
        if self.training:
            mean, var = field_moments(x)
            samples = x.numel() // len(mean)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(var * (samples / (samples - 1)), self.momentum)
            normed: Tensor = _Normalise.apply(x, mean, var, self.weight, self.bias, self.eps)
            return normed
        moments = (self.running_mean.repeat(ORDER), self.running_var.repeat(ORDER))
        return F.batch_norm(x, *moments, self.weight.repeat(ORDER), self.bias.repeat(ORDER), eps=self.eps)


@torch.no_grad()
def field_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance (over all its values) of each field of N×8F×H×W, both (F,), without a gradient."""
    count = x.numel() // x.shape[1]
    exact = torch.float64 if x.dtype == torch.float64 else torch.float32
    means, variances = torch.zeros(2, x.shape[1], dtype=exact, device=x.device)
    # Torch's own pass over the channels, asked to forget all earlier batches, is many times faster than var_mean.
    F.batch_norm(x, means, variances, training=True, momentum=1.0)
    means, variances = means.view(ORDER, -1), variances.view(ORDER, -1) * ((count - 1) / count)
    mean = means.mean(dim=0)
    return mean, (variances + (means - mean) ** 2).mean(dim=0)


class _Normalise(torch.autograd.Function):
    """Normalise by moments of the batch itself, which are no constants to the gradient.

    As a function of its own because torch's kernels take moments of channels; leaving moments of fields to autograd
    made a training step a sixth longer.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        ctx.save_for_backward(x, mean, var, weight)
        ctx.eps = eps
        moments = (mean.repeat(ORDER), var.repeat(ORDER))
        return F.batch_norm(x, *moments, weight.repeat(ORDER), bias.repeat(ORDER), eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, var, weight = ctx.saved_tensors
        moments = (mean.repeat(ORDER), var.repeat(ORDER))
        # As if the moments were constants; gives the sums over places that the true gradient needs, too. No moments
        # were saved, which CUDA's kernel wants to be told by empty ones.
        none = mean.new_empty(0)
        by_x, by_weight, by_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight.repeat(ORDER), *moments, none, none, False, ctx.eps, (True, True, True)
        )
        by_weight, by_bias = by_weight.view(ORDER, -1).sum(dim=0), by_bias.view(ORDER, -1).sum(dim=0)
        samples = x.numel() // len(mean)
        scale = torch.rsqrt(var + ctx.eps)
        slope = -weight * scale**2 * by_weight / samples
        shift = -weight * scale * by_bias / samples - slope * mean
        by_x.addcmul_(x, slope.repeat(ORDER)[:, None, None]).add_(shift.repeat(ORDER)[:, None, None])
        return by_x, None, None, by_weight, by_bias, None


class GroupPool(nn.Module):
    """The mean of each field over its eight orientations: it is linear, so that attributions pass it exactly."""

    def forward(self, x: Tensor) -> Tensor:
        """Return N×F×H×W of N×8F×H×W; it turns with the patch and does nothing else."""
        n, channels, height, width = x.shape
        return x.reshape(n, ORDER, channels // ORDER, height, width).mean(dim=1)


class RingPool(nn.Module):
    """A weighted mean over square windows whose learned weights depend only on the ring and place up to symmetry.

    Cells that a flip or turn of the window exchanges share one weight, so that the mean does not change. The weights
    are positive and add up to one; at first they are equal.
    """

    orbits: Tensor

    def __init__(self, cells: int):
        super().__init__()
        places = torch.arange(cells * cells, device="cpu").view(cells, cells)
        first = torch.stack([transform(places, element) for element in range(ORDER)]).amin(dim=0)
        self.register_buffer("orbits", torch.unique(first, return_inverse=True)[1], persistent=False)
        self.weight = nn.Parameter(torch.zeros(int(self.orbits.max()) + 1))

    def window(self) -> Tensor:
        """Return the weights, cells×cells."""
        return self.weight[self.orbits].flatten().softmax(dim=0).view(self.orbits.shape)

    def forward(self, x: Tensor) -> Tensor:
        """Return N×C×(H-cells+1)×(W-cells+1) of N×C×H×W: the mean of every window."""
        channels = x.shape[1]
        window = self.window().to(x.dtype)
        return F.conv2d(x, window.expand(channels, 1, -1, -1), groups=channels)


def fold(convolution: LiftConv2d | GroupConv2d, norm: FieldNorm) -> nn.Conv2d:
    """Return the plain convolution that equals a convolution and, in evaluation mode, its normalisation."""
    with torch.no_grad():
        scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        shift = norm.bias.double() - norm.running_mean.double() * scale
        weight = convolution.expanded().double() * scale.repeat(ORDER)[:, None, None, None]
        filters, channels, kernel, _ = weight.shape
        plain = nn.Conv2d(channels, filters, kernel, stride=convolution.stride).to(convolution.weight)
        plain.weight.copy_(weight)
        plain.bias.copy_(shift.repeat(ORDER))  # type: ignore[union-attr]
    return plain
