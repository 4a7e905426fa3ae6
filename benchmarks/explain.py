"""What an explanation costs, beside the plain forward pass and beside Captum called the naive way.

Run: ``python benchmarks/explain.py [--bundle FILE]``. Same patches, same seed, one thread, in one run; each figure is
the quickest of five patches, in processor time (wall time on a GPU), so that other work on the machine hardly counts.
"32 maps" is what a batch of 32 patches takes, one map after the other, measured once; beside it stands one forward pass
of the 32.
"naive" is Captum on the bundle's network one patch at a time at the same settings, with
``captum.attr.visualization.visualize_image_attr`` for the overlay; "ours" is attribute, saliency map and overlay.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import captum.attr
import matplotlib as mpl
import numpy as np
import torch
from captum.attr import visualization
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.attribution import METHODS, AttributionOptions, attribute, available, overlay, saliency_map
from core.attribution.cam import declared_layer, describe_layer
from core.bundle import load_bundle
from core.data import open_demo
from core.display import to_png
from core.prediction import Predictor, as_input

PATCHES = 5
BATCH = 32
OPTIONS = AttributionOptions()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    mpl.use("Agg")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    predictor = Predictor(load_bundle(arguments.bundle), device=arguments.device)
    demo = open_demo()
    batch = demo.store.load(np.random.default_rng(0).choice(len(demo), BATCH, replace=False)).pixels
    pixels = batch[:PATCHES]
    together = min(quickest(lambda _patch: plain(predictor, batch), pixels) for _ in range(2))
    forward = quickest(lambda patch: plain(predictor, patch[None]), pixels, repeats=5)
    card = predictor.bundle.card
    print(f"{card.model}, {predictor.device}, 1 thread, torch {torch.__version__}, quickest of {PATCHES} patches\n")
    print(f"plain forward pass of one patch: {forward:.1f} ms, of {BATCH} together: {together:.0f} ms\n")
    print(
        f"| method | map, ms | × forward | {BATCH} maps, ms | × forward of {BATCH} | with overlay as PNG, ms "
        "| naive Captum + matplotlib, ms | naive / ours |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for method in available(predictor.module):
        ours = quickest(lambda patch, m=method: attribute(predictor.module, patch, method=m, options=OPTIONS), pixels)
        many = took(lambda m=method: [attribute(predictor.module, each, method=m, options=OPTIONS) for each in batch])
        drawn = quickest(lambda patch, m=method: picture(predictor, patch, m), pixels)
        theirs = naive(predictor, method, pixels)
        beside = "— | —" if theirs is None else f"{theirs:.0f} | {theirs / drawn:.1f}"
        print(
            f"| {METHODS[method].label} | {ours:.1f} | {ours / forward:.1f} | {many:.0f} | {many / together:.1f} "
            f"| {drawn:.1f} | {beside} |",
            flush=True,
        )


def clock() -> float:
    """Return seconds: of this process on the CPU, where one thread does all the work; of the wall on a GPU."""
    return time.perf_counter() if torch.cuda.is_initialized() else time.process_time()


def quickest(work: Callable[[np.ndarray], object], pixels: np.ndarray, *, repeats: int = 1) -> float:
    """Return the shortest time in ms; the first patch is done once more before, to warm up."""
    work(pixels[0])
    times = []
    for patch in np.repeat(pixels, repeats, axis=0):
        started = clock()
        work(patch)
        times.append(1e3 * (clock() - started))
    return min(times)


def took(work: Callable[[], object]) -> float:
    """Return the time in ms."""
    started = clock()
    work()
    return 1e3 * (clock() - started)


def plain(predictor: Predictor, patches: np.ndarray) -> Tensor:
    """Return the logits of patches, without the predictor's filling up of batches."""
    with torch.inference_mode():
        logit: Tensor = predictor.module(as_input(patches, predictor.device)).cpu()
    return logit


def picture(predictor: Predictor, patch: np.ndarray, method: str) -> bytes:
    """Return the map over its patch as PNG, as the page shows it."""
    made = attribute(predictor.module, patch, method=method, options=OPTIONS)
    return to_png(overlay(patch, saliency_map(made), zoom=4, fade=True))


def naive(predictor: Predictor, method: str, pixels: np.ndarray) -> float | None:
    """Return the time of Captum as its tutorials call it, None where it fails on this network."""
    network = predictor.bundle.network().to(predictor.device)
    layer = declared_layer(network)
    layer_name = "" if layer is None else describe_layer(network, layer).name

    def explain(patch: np.ndarray) -> None:
        given = as_input(patch[None], predictor.device).requires_grad_()
        white = torch.ones_like(given)
        values = _captum(method, network, layer_name, given, white)
        if values.shape[-2:] != given.shape[-2:]:
            values = captum.attr.LayerAttribution.interpolate(values, (96, 96), interpolate_mode="bilinear")
        shown = values.detach()[0].expand(3, -1, -1).permute(1, 2, 0).cpu().numpy()
        figure, _ = visualization.visualize_image_attr(
            shown, patch, method="blended_heat_map", sign="all", use_pyplot=False
        )
        figure.savefig("/dev/null", format="png")

    try:
        return quickest(explain, pixels)
    except (AssertionError, RuntimeError) as error:
        print(f"<!-- {method}: naive Captum fails: {str(error).splitlines()[0]} -->")
        return None


def _captum(method: str, network: torch.nn.Module, layer: str, given: Tensor, white: Tensor) -> Tensor:
    a, module = captum.attr, network.get_submodule(layer)
    calls: dict[str, Callable[[], Tensor]] = {
        "grad-cam": lambda: a.LayerGradCam(network, module).attribute(given),
        "hires-cam": lambda: a.LayerGradientXActivation(network, module).attribute(given).sum(1, keepdim=True),
        "saliency": lambda: a.Saliency(network).attribute(given),
        "input-x-gradient": lambda: a.InputXGradient(network).attribute(given),
        "smoothgrad": lambda: a.NoiseTunnel(a.Saliency(network)).attribute(
            given, nt_samples=OPTIONS.noise_samples, nt_samples_batch_size=1, stdevs=OPTIONS.noise_std
        ),
        "integrated-gradients": lambda: a.IntegratedGradients(network).attribute(
            given, white, n_steps=OPTIONS.steps, internal_batch_size=1
        ),
        "gradient-shap": lambda: a.GradientShap(network).attribute(
            given, white, n_samples=OPTIONS.noise_samples, stdevs=OPTIONS.noise_std
        ),
        "guided-backprop": lambda: a.GuidedBackprop(network).attribute(given),
        "guided-grad-cam": lambda: a.GuidedGradCam(network, module).attribute(given),
        "deeplift": lambda: a.DeepLift(network).attribute(given, white),
        "occlusion": lambda: a.Occlusion(network).attribute(
            given, (3, OPTIONS.occlusion_window, OPTIONS.occlusion_window),
            strides=(3, OPTIONS.occlusion_stride, OPTIONS.occlusion_stride), baselines=white,
        ),
        "lrp": lambda: a.LRP(network).attribute(given),
    }  # fmt: skip
    return calls[method]()


if __name__ == "__main__":
    main()
