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
        return copies + stdev * torch.randn(copies.shape, generator=self._noise).to(copies)


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
    is private, and the points on the way are stratified (one in each n-th part), which lowers the variance at
    no cost.
    """
    noise = torch.Generator().manual_seed(options.seed)
    total = torch.zeros_like(pixels)
    done = 0
    while done < options.noise_samples:
        size = min(options.internal_batch, options.noise_samples - done)
        ranks = torch.arange(done, done + size, dtype=torch.float32)
        fractions = (ranks + torch.rand(size, generator=noise)) / options.noise_samples
        patches = pixels + options.noise_std * torch.randn(size, *pixels.shape[1:], generator=noise).to(pixels)
        points = baseline + fractions.to(pixels)[:, None, None, None] * (patches - baseline)
        total += (saliency(forward, points) * (patches - baseline)).sum(dim=0, keepdim=True)
        done += size
    return total / options.noise_samples
