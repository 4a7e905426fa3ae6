"""What an estimate says of a GPU's memory, which is pretended."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from core.training.preflight import cost

GPU, PATCH = torch.device("cuda", 0), 96 * 96 * 3


@pytest.mark.parametrize(
    ("resident", "free", "expected"),
    [
        (True, 10**12, 10**9 + (200_000 - 2_000) * PATCH),  # all patches of the run stay there, and not the sample only
        (True, 10**9, 10**9 - 2_000 * PATCH),  # they do not fit, so that none stay
        (False, 10**12, 10**9),
    ],
)
def test_the_patches_that_stay_on_a_gpu_count(
    monkeypatch: pytest.MonkeyPatch, resident: bool, free: int, expected: int
) -> None:
    monkeypatch.setattr(cost, "memory_in_use", lambda _: {"device_memory": 10**9})
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, free))
    train_step: Any = SimpleNamespace(device=GPU, loader=SimpleNamespace(resident=resident))
    sample: Any = SimpleNamespace(patches=np.zeros(2_000), train=200_000)

    assert cost._device_memory(train_step, sample) == expected


@pytest.mark.parametrize(("device", "passes"), [("cpu", 1), ("cuda", 2)])
def test_the_first_batch_of_a_gpu_does_not_count(monkeypatch: pytest.MonkeyPatch, device: str, passes: int) -> None:
    clock, done = [0.0], []

    class Forward:
        batch = 4

        def __init__(self, _device: torch.device):
            pass

        def logits(self, *_: Any) -> None:
            clock[0] += 10.0 if device == "cuda" and not done else 1.0
            done.append(1)

    monkeypatch.setattr(cost, "Forward", Forward)
    monkeypatch.setattr(cost.time, "monotonic", lambda: clock[0])
    train_step: Any = SimpleNamespace(device=torch.device(device), network=torch.nn.Identity())
    patches = SimpleNamespace(some=lambda rows: np.zeros(rows.stop))
    sample = cast(Any, SimpleNamespace(patches=patches, valid=40))

    assert cost._seconds_to_validate(train_step, sample) == pytest.approx(10.0)
    assert len(done) == passes
