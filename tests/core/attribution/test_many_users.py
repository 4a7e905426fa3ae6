"""Many people at one bundle: nobody gets another one's answer, and nothing piles up."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
import torch

from core.attribution import AttributionOptions, attribute, available
from core.bundle import Bundle
from core.data import Dataset
from core.prediction import Predictor, examine, fit_ood_model

OPTIONS = AttributionOptions(steps=4, noise_samples=4, occlusion_window=32, occlusion_stride=32)


@pytest.mark.parametrize("rounds", [4, pytest.param(24, marks=pytest.mark.slow)])
def test_eight_threads_get_what_one_alone_gets(tiny_bundle: Bundle, small_demo: Dataset, rounds: int) -> None:
    pixels = small_demo.store.load(range(60)).pixels
    known = fit_ood_model(tiny_bundle, {"demo": pixels}, device="cpu")
    predictor = Predictor(Bundle(tiny_bundle.card, tiny_bundle.weights, known), device="cpu")
    methods = [*available(predictor.module), "predict", "examine"]
    work = [(methods[number % len(methods)], number % 7) for number in range(rounds * 8)]

    def run(job: tuple[str, int]) -> bytes:
        # The setting is each thread's own, and another number of threads may add up in another order.
        torch.set_num_threads(1)
        what, patch = job
        if what == "predict":
            return predictor.predict(pixels[patch : patch + 1]).logits.tobytes()
        if what == "examine":
            return repr(examine(predictor, pixels[patch : patch + 1])[0].ood_score).encode()
        return attribute(predictor.module, pixels[patch], method=what, options=OPTIONS).values.tobytes()

    single = {job: run(job) for job in set(work)}
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(run, work))
    assert [job for job, result in zip(work, together, strict=True) if result != single[job]] == []


@pytest.mark.slow
def test_memory_is_flat_over_five_hundred_explanations(tiny_bundle: Bundle, small_demo: Dataset) -> None:
    predictor = Predictor(tiny_bundle, device="cpu")
    pixels = small_demo.store.load(range(20)).pixels
    methods = available(predictor.module)

    def explain(count: int) -> None:
        for number in range(count):
            values = attribute(
                predictor.module, pixels[number % 20], method=methods[number % len(methods)], options=OPTIONS
            ).values
            assert np.isfinite(values).all()

    explain(100)  # replicas, tables and the allocator's own pools
    gc.collect()
    before = psutil.Process().memory_info().rss
    explain(500)
    gc.collect()
    grown = psutil.Process().memory_info().rss - before
    assert grown < 32 * 2**20, f"grew by {grown / 2**20:.1f} MiB"
