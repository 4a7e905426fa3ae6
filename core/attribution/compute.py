"""One function from a network and a patch to a signed attribution."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import Occlusion
from torch import Tensor, nn

from core import d4
from core.attribution import cam, gradients, rules
from core.attribution.methods import Method, method_named, refusal, supports
from core.attribution.options import AttributionOptions
from core.attribution.patch import as_tensor, baseline_of
from core.attribution.replica import borrowed, device_of
from core.attribution.result import Attribution
from core.data.store import PATCH_SIZE
from core.errors import AttributionError
from core.memory import in_portions
from core.progress import Progress, no_progress, within

_DEFAULT_OPTIONS = AttributionOptions()


def attribute(
    model: nn.Module,
    patch: npt.NDArray[np.uint8] | Tensor,
    *,
    method: str = "grad-cam",
    options: AttributionOptions = _DEFAULT_OPTIONS,
    layer: nn.Module | None = None,
    progress: Progress = no_progress,
) -> Attribution:
    """Return the attribution of a network's tumour logit to the pixels of one patch.

    Safe to call from many threads on one shared network, and bit-repeatable on the CPU for the same options:
    the work is done on a private replica in evaluation mode, with private noise. The network keeps no trace
    of it.

    Args:
        model: Takes float N×3×96×96 in [0, 1] and returns the tumour logits, shape (N,).
        patch: uint8 array 96×96×3 or float tensor 3×96×96 in [0, 1].
        method: A name in ``METHODS``.
        options: Settings; each method reads only those that it uses.
        layer: For class activation maps, one of the network's own modules instead of the layer that the network
            names.
        progress: Called with the finished share in (0, 1]; what it raises ends the work, which is the way to
            cancel.

    Raises:
        AttributionError: The method is unknown, or the network does not support it.
        PatchError: The patch has another shape, type or range.
        DeviceError: There is not enough memory.
    """
    pixels = as_tensor(patch)
    chosen = method_named(method)
    explained = _layer(model, chosen, layer)
    views = range(d4.COUNT) if options.symmetries else range(1)
    device = device_of(model)
    explained_views = []
    for index in views:
        job = _Job(
            model=model,
            pixels=d4.view(pixels, index).to(device),
            options=replace(options, seed=(options.seed + index) % 2**63),
            layer=explained,
            report=within(progress, index / len(views), (index + 1) / len(views)),
        )

        def explain(batch: int, job: _Job = job, index: int = index) -> tuple[Tensor, float, float | None]:
            fewer = replace(job.options, internal_batch=batch)
            return _explain(replace(job, options=fewer), chosen, index)

        explained_views.append(in_portions(explain, options.internal_batch, device, less=lambda _: None))
    progress(1.0)
    return _mean(explained_views, chosen)


@dataclass(frozen=True)
class _Job:
    """One view of a patch, on the network's device, with all that a method needs."""

    model: nn.Module
    pixels: Tensor
    options: AttributionOptions
    layer: cam.Layer | None
    report: Progress

    @property
    def baseline(self) -> Tensor:
        return baseline_of(self.pixels, self.options.baseline)


def _explain(job: _Job, method: Method, index: int) -> tuple[Tensor, float, float | None]:
    """Return the view's attribution mapped back to the patch, its logit and its baseline's logit."""
    with borrowed(job.model) as twin:
        logits: list[float] = []
        handle = twin.register_forward_hook(lambda _module, _inputs, output: logits.append(_first_logit(output)))
        values = _METHODS[method.name](job, twin)
        handle.remove()
        with torch.no_grad():
            # Most first passes see the patch as it is; a pass of its own would make the default map half as
            # slow again.
            logit = logits[0] if method.name in _PATCH_FIRST else _first_logit(twin(job.pixels))
            baseline_logit = float(twin(job.baseline)[0]) if method.uses_baseline else None
    if isinstance(values, np.ndarray):
        values = torch.from_numpy(values)[None]
    return d4.undo(values.detach().to("cpu", torch.float32)[0], index), logit, baseline_logit


def _first_logit(output: Tensor) -> float:
    if output.dim() != 1:
        raise AttributionError(
            f"The network returned a tensor of shape {tuple(output.shape)} for {len(output)} patches; expected one "
            f"tumour logit each, shape ({len(output)},)."
        )
    return float(output.detach()[0])


def _mean(views: list[tuple[Tensor, float, float | None]], method: Method) -> Attribution:
    values = torch.stack([view[0] for view in views]).mean(dim=0).contiguous().numpy()
    logit = sum(view[1] for view in views) / len(views)
    if not method.uses_baseline:
        return Attribution(values, method.name, logit)
    baseline_logit = sum(view[2] or 0.0 for view in views) / len(views)
    gap = float(values.sum(dtype=np.float64)) - (logit - baseline_logit) if method.complete else None
    return Attribution(values, method.name, logit, baseline_logit, gap)


def _counted(job: _Job, twin: nn.Module, total: int) -> gradients.Forward:
    """Return the forward pass that reports its progress out of ``total`` patches."""
    seen = 0

    def forward(batch: Tensor) -> Tensor:
        nonlocal seen
        logits: Tensor = twin(batch)
        seen += len(batch)
        job.report(min(1.0, seen / total))
        return logits

    return forward


def _grad_cam(job: _Job, twin: nn.Module) -> npt.NDArray[np.float32]:
    return cam.spread(cam.grad_cam(twin, _needed(job.layer), job.pixels))


def _hires_cam(job: _Job, twin: nn.Module) -> npt.NDArray[np.float32]:
    return cam.spread(cam.hires_cam(twin, _needed(job.layer), job.pixels))


def _guided_grad_cam(job: _Job, twin: nn.Module) -> Tensor:
    """Guided backpropagation × Grad-CAM clipped at zero, as published; Captum's would stretch the map."""
    where = np.maximum(cam.grad_cam(twin, _needed(job.layer), job.pixels), 0)
    guided = rules.guided_backprop(job.model, job.pixels)
    return guided * torch.from_numpy(where).to(guided)


def _integrated_gradients(job: _Job, twin: nn.Module) -> Tensor:
    forward = _counted(job, twin, job.options.steps)
    return gradients.integrated_gradients(forward, job.pixels, job.baseline, job.options)


def _smoothgrad(job: _Job, twin: nn.Module) -> Tensor:
    return gradients.smoothgrad(_counted(job, twin, job.options.noise_samples), job.pixels, job.options)


def _gradient_shap(job: _Job, twin: nn.Module) -> Tensor:
    forward = _counted(job, twin, job.options.noise_samples)
    return gradients.gradient_shap(forward, job.pixels, job.baseline, job.options)


def _occlusion(job: _Job, twin: nn.Module) -> Tensor:
    """Mean fall of the logit under the squares that cover a pixel, shared equally by its three channels."""
    window, stride = job.options.occlusion_window, job.options.occlusion_stride
    squares = (-(-(PATCH_SIZE - window) // stride) + 1) ** 2
    result: Tensor = Occlusion(_counted(job, twin, squares + 1)).attribute(
        job.pixels,
        sliding_window_shapes=(3, window, window),
        strides=(3, stride, stride),
        baselines=job.baseline,
        perturbations_per_eval=job.options.internal_batch,
    )
    return result / 3


# Two names stand for the networks: job.model, of which rules make their own changed copies, and the borrowed twin.
_METHODS: dict[str, Callable[[_Job, nn.Module], Tensor | npt.NDArray[np.float32]]] = {
    "grad-cam": _grad_cam,
    "hires-cam": _hires_cam,
    "saliency": lambda job, twin: gradients.saliency(twin, job.pixels),
    "input-x-gradient": lambda job, twin: gradients.input_x_gradient(twin, job.pixels),
    "smoothgrad": _smoothgrad,
    "integrated-gradients": _integrated_gradients,
    "gradient-shap": _gradient_shap,
    "guided-backprop": lambda job, _: rules.guided_backprop(job.model, job.pixels),
    "guided-grad-cam": _guided_grad_cam,
    "deeplift": lambda job, _: rules.deeplift(job.model, job.pixels, job.baseline),
    "occlusion": _occlusion,
    "lrp": lambda job, _: rules.lrp(job.model, job.pixels)[0],
}

# Their first pass through the borrowed network is the patch itself, so that its logit is known without another pass.
_PATCH_FIRST = frozenset(("grad-cam", "hires-cam", "guided-grad-cam", "saliency", "input-x-gradient"))


def _layer(model: nn.Module, method: Method, given: nn.Module | None) -> cam.Layer | None:
    """Return the layer to explain, None where the method needs none, after checking that the network supports it."""
    if given is not None and not method.needs_layer:
        raise AttributionError(f"{method.label} explains pixels, not a layer. Omit the layer.")
    if given is None:
        reason = supports(method.name, model)
    else:  # whether the network names a layer no longer matters
        reason = supports("guided-backprop", model) if method.family == "rules" else None
    if reason is not None:
        raise refusal(method.name, model, reason)
    layer = cam.declared_layer(model) if method.needs_layer and given is None else given
    return None if layer is None else cam.describe_layer(model, layer)


def _needed(layer: cam.Layer | None) -> cam.Layer:
    if layer is None:
        raise AttributionError("A class activation map needs a layer. Name one with layer=.")
    return layer
