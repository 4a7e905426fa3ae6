"""Many users, one network: nobody sees anybody else's hooks, noise or modes."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from core.attribution import METHODS, AttributionOptions, attribute
from core.attribution.replica import borrowed, replica_of
from core.d4 import undo, view
from core.errors import ConfigError, PatchError

pytestmark = pytest.mark.filterwarnings("ignore:Setting forward, backward hooks:UserWarning")

QUICK = AttributionOptions(steps=4, noise_samples=4, occlusion_window=48, occlusion_stride=48, internal_batch=4)


def hooks_of(network: nn.Module) -> int:
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
        for module in network.modules()
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_shared_network_keeps_no_trace(convolutional, patch, method):
    before = {name: value.clone() for name, value in convolutional.state_dict().items()}
    modes = [module.training for module in convolutional.modules()]
    random_state = torch.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002  (the global state is what is watched)

    attribute(convolutional, patch, method=method, options=QUICK)

    assert hooks_of(convolutional) == 0
    assert all(parameter.requires_grad and parameter.grad is None for parameter in convolutional.parameters())
    assert [module.training for module in convolutional.modules()] == modes
    assert convolutional.network.features[1].inplace
    assert all(torch.equal(before[name], value) for name, value in convolutional.state_dict().items())
    assert torch.equal(random_state, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_state, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("method", METHODS)
def test_the_same_options_give_the_same_bits_whatever_the_random_state(convolutional, patch, method):
    torch.manual_seed(1)
    first = attribute(convolutional, patch, method=method, options=QUICK)
    torch.manual_seed(2)
    with torch.inference_mode():
        second = attribute(convolutional, patch, method=method, options=QUICK)
    np.testing.assert_array_equal(first.values, second.values)
    assert np.abs(first.values).max() > 0
    assert first.logit == second.logit
    assert first.logit == float(replica_of(convolutional)(patch[None])[0])  # evaluation mode: no dropout


@pytest.mark.parametrize("method", ["smoothgrad", "gradient-shap"])
def test_the_seed_and_the_noise_matter(convolutional, patch, method):
    def values(**changes):
        return attribute(
            convolutional, patch, method=method, options=AttributionOptions(noise_samples=4, **changes)
        ).values

    assert np.abs(values(seed=0) - values(seed=1)).max() > 0
    assert np.abs(values(noise_std=0.1) - values(noise_std=0.2)).max() > 0


def test_eight_threads_on_one_network_get_the_serial_result(convolutional):
    jobs = [
        (method, torch.rand(3, 96, 96, generator=torch.Generator().manual_seed(seed)))
        for seed in range(3)
        for method in METHODS
    ]

    def explain(job):
        return attribute(convolutional, job[1], method=job[0], options=QUICK)

    serial = [explain(job) for job in jobs]
    with ThreadPoolExecutor(8) as threads:
        parallel = list(threads.map(explain, jobs * 2))
    deviations = [
        job[0]
        for job, one, other in zip(jobs * 2, serial * 2, parallel, strict=True)
        if not np.array_equal(one.values, other.values) or one.logit != other.logit
    ]
    assert deviations == []
    assert hooks_of(convolutional) == 0


def test_weights_changed_in_place_are_seen_at_once_and_exchanged_ones_too(make_linear, patch):
    network = make_linear(torch.ones(3, 96, 96))
    assert attribute(network, patch, method="saliency").values[0, 0, 0] == 1
    with torch.no_grad():
        network.dense.weight.mul_(2)
    assert attribute(network, patch, method="saliency").values[0, 0, 0] == 2
    network.dense = nn.Linear(3 * 96 * 96, 1)
    nn.init.constant_(network.dense.weight, 3)
    assert attribute(network, patch, method="saliency").values[0, 0, 0] == 3


def test_a_replica_shares_memory_is_lent_again_and_is_dropped_after_an_error(linear):
    with borrowed(linear) as first:
        assert first.dense.weight.data_ptr() == linear.dense.weight.data_ptr()
        assert not first.dense.weight.requires_grad
        with borrowed(linear) as second:
            assert second is not first
    with borrowed(linear) as third:
        assert third in (first, second)
        with borrowed(linear) as fourth:
            assert {third, fourth} == {first, second}
    with pytest.raises(ValueError, match="doubt"), borrowed(linear) as fifth:
        raise ValueError("doubt")
    with borrowed(linear) as sixth, borrowed(linear) as seventh:
        assert fifth not in (sixth, seventh)


def test_replicas_go_with_their_network(make_linear, patch):
    from core.attribution.replica import _pool

    network = make_linear(torch.ones(3, 96, 96))
    attribute(network, patch, method="saliency")
    assert network in _pool
    gc.collect()
    kept = len(_pool)
    del network
    gc.collect()
    assert len(_pool) == kept - 1


@pytest.mark.parametrize(
    ("method", "first"),
    [("integrated-gradients", 2 / 6), ("smoothgrad", 2 / 6), ("gradient-shap", 2 / 6), ("occlusion", 1 / 5)],
)
def test_progress_rises_to_one(linear, patch, method, first):
    options = AttributionOptions(steps=6, noise_samples=6, occlusion_window=48, occlusion_stride=48, internal_batch=2)
    seen: list[float] = []
    attribute(linear, patch, method=method, options=options, progress=seen.append)
    assert seen[0] == pytest.approx(first)
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_the_work_can_be_cancelled_and_the_next_one_is_right(convolutional, patch):
    class CancelledError(Exception):
        pass

    def stop(share: float) -> None:
        if share > 0.5:
            raise CancelledError

    expected = attribute(convolutional, patch, method="integrated-gradients", options=QUICK)
    with pytest.raises(CancelledError):
        attribute(
            convolutional,
            patch,
            method="integrated-gradients",
            options=AttributionOptions(steps=8, internal_batch=1),
            progress=stop,
        )
    again = attribute(convolutional, patch, method="integrated-gradients", options=QUICK)
    np.testing.assert_array_equal(again.values, expected.values)


def test_batches_bound_memory_without_changing_the_result(convolutional, patch):
    largest = []
    handle = convolutional.network.register_forward_hook(lambda _m, given, _o: largest.append(len(given[0])))
    del handle  # hooks travel with the copy, so the replica reports the sizes
    for method in ("integrated-gradients", "smoothgrad", "gradient-shap", "occlusion"):
        few, many = (
            attribute(
                convolutional,
                patch,
                method=method,
                options=AttributionOptions(
                    steps=8, noise_samples=8, occlusion_window=32, occlusion_stride=32, internal_batch=size
                ),
            )
            for size in (2, 8)
        )
        np.testing.assert_allclose(few.values, many.values, rtol=1e-3, atol=1e-6)
    assert max(largest) == 8


@pytest.mark.parametrize("method", ["saliency", "grad-cam", "deeplift"])
@pytest.mark.parametrize("index", [1, 4, 7])
def test_averaged_over_the_symmetries_a_map_turns_with_the_patch(convolutional, patch, method, index):
    options = AttributionOptions(symmetries=True)
    straight = attribute(convolutional, patch, method=method, options=options)
    turned = attribute(convolutional, view(patch, index), method=method, options=options)
    np.testing.assert_allclose(
        turned.values, view(torch.from_numpy(straight.values.copy()), index), atol=1e-5 * np.abs(straight.values).max()
    )
    assert turned.logit == pytest.approx(straight.logit, abs=1e-6)


def test_the_symmetries_average_eight_maps_turned_back(convolutional, patch):
    options = AttributionOptions(symmetries=True)
    seen: list[float] = []
    found = attribute(convolutional, patch, method="saliency", options=options, progress=seen.append)
    views = [attribute(convolutional, view(patch, index), method="saliency") for index in range(8)]
    back = torch.stack([undo(torch.from_numpy(one.values.copy()), index) for index, one in enumerate(views)])
    np.testing.assert_allclose(found.values, back.mean(dim=0), atol=1e-7)
    assert found.logit == pytest.approx(np.mean([one.logit for one in views]))
    assert seen == [1.0]


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((96, 96, 3), np.float32),
        np.zeros((96, 96), np.uint8),
        np.zeros((3, 96, 96), np.uint8),
        torch.zeros(1, 3, 96, 96),
        torch.zeros(3, 96, 96, dtype=torch.uint8),
        torch.full((3, 96, 96), 1.1),
        torch.full((3, 96, 96), -0.1),
        torch.full((3, 96, 96), float("nan")),
    ],
)
def test_what_is_no_patch_is_refused(linear, bad):
    with pytest.raises(PatchError, match="expected"):
        attribute(linear, bad, method="saliency")


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 0},
        {"steps": 2.0},
        {"noise_samples": 0},
        {"noise_std": -0.1},
        {"noise_std": float("nan")},
        {"occlusion_window": 97},
        {"occlusion_window": 8, "occlusion_stride": 9},
        {"baseline": "grey"},
        {"seed": -1},
        {"internal_batch": 0},
    ],
)
def test_options_out_of_range_are_refused(changes):
    with pytest.raises(ConfigError, match=next(reversed(changes))):
        AttributionOptions(**changes)


def test_options_go_to_json_and_back():
    options = AttributionOptions(steps=5, baseline="blur", symmetries=True)
    assert options.to_json()["baseline"] == "blur"
    assert AttributionOptions(**options.to_json()) == options
