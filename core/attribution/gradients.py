"""Methods that read slopes at the patch or on the way to it, without touching the network's rules."""

from collections.abc import Callable

import torch
from captum.attr import InputXGradient, IntegratedGradients, NoiseTunnel, Saliency
from torch import Tensor

from core.attribution.options import AttributionOptions

Forward = Callable[[Tensor], Tensor]


class _SeededNoiseTunnel(NoiseTunnel):  # type: ignore[misc]
    """Captum's noise tunnel with private noise: the original draws from the state that all threads share."""

    def __init__(self, method: Saliency, seed: int) -> None:
        super().__init__(method)
        self._noise = torch.Generator().manual_seed(seed)

    def _add_noise_to_input(self, input: Tensor, stdev: float, nt_samples_partition: int) -> Tensor:
        copies = input.repeat_interleave(nt_samples_partition, dim=0)
        return copies + stdev * _noise_like(copies, self._noise)


def saliency(forward: Forward, pixels: Tensor) -> Tensor:
    """Return the signed gradient of the logit, 1×3×96×96, in logits per pixel unit."""
    result: Tensor = Saliency(forward).attribute(pixels.clone().requires_grad_(), abs=False)
    return result


def input_x_gradient(forward: Forward, pixels: Tensor) -> Tensor:
    """Return pixel value times gradient, 1×3×96×96, in logits."""
    result: Tensor = InputXGradient(forward).attribute(pixels.clone().requires_grad_())
    return result.detach()


def smoothgrad(forward: Forward, pixels: Tensor, options: AttributionOptions) -> Tensor:
    """Return the signed gradient averaged over noisy copies, 1×3×96×96, in logits per pixel unit."""
    tunnel = _SeededNoiseTunnel(Saliency(forward), options.seed)
    result: Tensor = tunnel.attribute(
        pixels,
        nt_type="smoothgrad",
        nt_samples=options.noise_samples,
        nt_samples_batch_size=options.internal_batch,
        stdevs=float(options.noise_std),
        abs=False,
    )
    return result.detach()


def integrated_gradients(forward: Forward, pixels: Tensor, baseline: Tensor, options: AttributionOptions) -> Tensor:
    """Return Integrated Gradients by Gauss-Legendre quadrature, 1×3×96×96, in logits."""
    result: Tensor = IntegratedGradients(forward).attribute(
        pixels,
        baselines=baseline,
        n_steps=options.steps,
        method="gausslegendre",
        internal_batch_size=options.internal_batch,
    )
    return result.detach()


def gradient_shap(forward: Forward, pixels: Tensor, baseline: Tensor, options: AttributionOptions) -> Tensor:
    """Return GradientSHAP, 1×3×96×96, in logits: expected gradients between the baseline and the noisy patch.

    Captum's own draws from the global random states of torch and numpy, which threads share. Here the noise
    is private, and the points on the way are stratified (one in each n-th of the way), which lowers the variance at
    no cost.
    """
    noise = torch.Generator().manual_seed(options.seed)
    count = options.noise_samples
    fractions = (torch.arange(count) + torch.rand(count, generator=noise)).to(pixels) / count
    total = torch.zeros_like(pixels)
    for low in range(0, count, options.internal_batch):
        share = fractions[low : low + options.internal_batch, None, None, None]
        copies = pixels.repeat(len(share), 1, 1, 1)
        away = copies + options.noise_std * _noise_like(copies, noise) - baseline
        total += (saliency(forward, baseline + share * away) * away).sum(dim=0, keepdim=True)
    return total / count


def _noise_like(copies: Tensor, noise: torch.Generator) -> Tensor:
    """Return standard normal noise drawn one patch at a time, so that it does not depend on the batch size."""
    return torch.stack([torch.randn(copy.shape, generator=noise) for copy in copies]).to(copies)
