"""OpenVINO in PyTorch's place: the same network on a CPU, faster; used where it is installed.

Nothing else changes: a patch gets PyTorch's probability to 1e-5, and the same bits alone and in any batch, which
:class:`Engine` tries on the very processor. Explanations, training and GPUs stay with PyTorch.
"""

import functools
import os
import sys
import threading
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core.attribution.replica import replica_of
from core.data.store import PATCH_SIZE
from core.errors import DeviceError

TORCH, OPENVINO, BF16 = ENGINES = "torch", "openvino", "openvino-bf16"

VARIABLE = "NODESCOPE_ENGINE"
"""Environment variable; "torch" leaves OpenVINO alone wherever no engine is asked for by name."""

Function = Callable[[nn.Module, Tensor], Tensor]
"""What is computed with a network, from pixels in [0, 1], float N×3×H×W."""

Compiled = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
"""The same from pixels as they are stored, uint8 N×H×W×3; only one thread at a time may use it."""

WORDS = {
    "cpu-openvino": "OpenVINO, float32",
    "cpu-openvino-bf16": "OpenVINO, bfloat16: probabilities differ from those of float32, seldom by a tenth or more",
}
"""What predicted, by :attr:`core.prediction.predictor.Predictor.kind`; PyTorch has no entry."""

_first = threading.Lock()

_TRIED = (1, 2, 3, 4, 7, 8, 15, 16)  # sizes of batches in which a patch must get the same bits


def is_rounded(kind: str) -> bool:
    """Whether what predicted computes in bfloat16, so that its results do not stand for the model's own."""
    return kind.endswith(BF16)


def alike(kind: str) -> tuple[str, ...]:
    """Return the kinds whose finished results may stand for those of a kind: they agree to 1e-5, or are more exact."""
    exact = "cpu", f"cpu-{OPENVINO}"
    return exact if kind in exact else (kind, *exact) if is_rounded(kind) else (kind,)


def named(device: str) -> tuple[str, str]:
    """Return a device's own name and the engine behind it, "" without one: "cpu:openvino" has both."""
    name, _, engine = device.rpartition(":")
    return (name, engine) if engine in ENGINES else (device, "")


def chosen(engine: str, device: torch.device) -> str:
    """Return the engine for a device: OpenVINO on a CPU where it is installed, unless one is asked for.

    Raises:
        DeviceError: the one that is asked for cannot be had.
    """
    on_cpu = device.type == "cpu"
    if not engine:
        return OPENVINO if on_cpu and os.environ.get(VARIABLE) != TORCH and installed() else TORCH
    if engine != TORCH and not on_cpu:
        raise DeviceError(f"OpenVINO predicts on the CPU, not on {device.type}: choose the CPU, or leave --engine out.")
    if engine != TORCH and not installed():
        raise DeviceError('OpenVINO is not installed: pip install "openvino>=2025.4", or leave --engine out.')
    if engine == BF16 and "BF16" not in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise DeviceError(f"This processor does not compute in bfloat16: use --engine {OPENVINO}, or leave it out.")
    return engine


def installed() -> bool:
    """Whether OpenVINO is there; it is not imported."""
    return find_spec("openvino") is not None


def _openvino() -> Any:
    # OpenVINO reports each import and conversion to its makers. Without this package of its own it has no way to, and
    # what is done with patients' tissue is nobody else's business.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _core() -> Any:
    """Return OpenVINO's core: one for all threads, which is never freed.

    Each core gives the thread that makes it a stack for signals, and takes it back when it is freed, perhaps while
    another one's is in its place: the next signal, such as Ctrl+C, would then end the process.
    """
    with _first:
        return _made_core()


@functools.cache
def _made_core() -> Any:
    return _openvino().Core()


class _Reading(nn.Module):
    def __init__(self, module: nn.Module, function: Function):
        super().__init__()
        self.module, self.function = module, function

    def forward(self, pixels: Tensor) -> Tensor:
        return self.function(self.module, pixels.permute(0, 3, 1, 2).float() / 255)


class Engine:
    """A network that OpenVINO has compiled and that was tried, which takes a second.

    Args:
        module: from pixels in [0, 1] (float N×3×96×96) to the logit (N,), perhaps with ``logit_map``.
        engine: :data:`OPENVINO` or :data:`BF16`.

    Raises:
        DeviceError: OpenVINO cannot compile it, or does not do with it what PyTorch does.
    """

    def __init__(self, module: nn.Module, engine: str):
        self._module, self._engine = module, engine
        self._exact: dict[str, Compiled] = {}
        self.logits = _tried(module, lambda network, pixels: network(pixels), engine)
        """Return the logits, float32 (N,), of patches, uint8 N×96×96×3."""

    @functools.cached_property
    def logit_map(self) -> Compiled:
        """What returns the logits of a picture, float32 1×R×C, from uint8 1×H×W×3; where the module has a map."""
        side = 2 * PATCH_SIZE
        reading = _Reading(self._module, lambda network, pixels: network.logit_map(pixels))  # type: ignore[operator]
        return _compiled(reading, (1, side, side, 3), (1, -1, -1, 3), self._engine)

    def exact(self, name: str, function: Function) -> Compiled:
        """Return a function of patches, computed in float32 whatever the engine is, compiled once by its name.

        Raises:
            DeviceError: OpenVINO cannot compile it, or does not do with it what PyTorch does.
        """
        if name not in self._exact:
            self._exact[name] = _tried(replica_of(self._module), function, OPENVINO)  # it may put hooks on the module
        return self._exact[name]


def _tried(module: nn.Module, function: Function, engine: str) -> Compiled:
    reading, one = _Reading(module, function), (PATCH_SIZE, PATCH_SIZE, 3)
    try:
        made = _compiled(reading, (2, *one), (-1, *one), engine)
        problem = _problem(made, reading, engine)
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        problem = f"cannot compile this network ({str(error).strip().splitlines()[-1][:200]})"
    if problem:
        raise DeviceError(f"OpenVINO {problem}; --engine {TORCH} predicts with PyTorch.")
    return made


def _compiled(reading: nn.Module, example: tuple[int, ...], shape: tuple[int, ...], engine: str) -> Compiled:
    openvino = _openvino()
    with warnings.catch_warnings(), torch.inference_mode():
        # That shapes become constants, which they are; and that PyTorch would rather trace in another way.
        warnings.simplefilter("ignore")
        pixels = torch.zeros(example, dtype=torch.uint8)
        traced = torch.jit.trace(reading.eval(), pixels, check_trace=False)  # type: ignore[no-untyped-call]
        model = openvino.convert_model(traced, example_input=pixels)
    model.reshape(list(shape))
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if engine == BF16 else "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # or workers with one thread each would share one core
        "CPU_RUNTIME_CACHE_CAPACITY": 64,  # or it keeps what it made for each size of a map: 100 MB for 150 of them
    }
    request = _core().compile_model(model, "CPU", settings).create_infer_request()

    def run(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        # The request writes each result into the same memory.
        found: npt.NDArray[np.float32] = request.infer([np.ascontiguousarray(pixels)])[0].copy()
        return found

    return run


def _problem(made: Compiled, reading: nn.Module, engine: str) -> str:
    """Return what a compiled network does otherwise than PyTorch; empty where nothing."""
    pixels = np.random.default_rng(0).integers(0, 256, (max(_TRIED), PATCH_SIZE, PATCH_SIZE, 3), dtype=np.uint8)
    whole = made(pixels)
    if any((made(pixels[:count]) != whole[:count]).any() for count in _TRIED):
        return "gives a patch other digits alone than among others on this processor"
    with torch.inference_mode():
        expected = reading(torch.from_numpy(pixels)).numpy()
    if engine != BF16 and not np.allclose(whole, expected, rtol=1e-4, atol=1e-4):
        return f"predicts something else than PyTorch (they differ by {np.abs(whole - expected).max():.2g})"
    return ""
