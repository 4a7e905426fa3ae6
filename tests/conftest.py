"""Fixtures that several rooms share. Nothing here needs a network, a GPU or real patches."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import models
from core import device
from core.bundle import Bundle, Card, halve
from core.data import Dataset, DemoSize, open_demo
from core.evaluation import Calibration, evaluate
from core.prediction import engine
from core.runs import Run, TrainingConfig, create_run
from core.storage.home import HOME_VARIABLE
from core.studies.learning_curve_result import Trained
from core.training.execute import execute
from models import registry
from tests.windows import behave_as_windows

ON_WINDOWS_TOO = (
    "core/storage", "core/runs", "core/bundle/test_bundle.py", "core/data/test_pack.py", "core/data/test_pack_table.py",
    "core/data/test_decisions.py", "core/data/test_demo_cache.py", "core/display/test_data_set.py", "core/test_job.py",
    "core/test_process.py", "core/studies/test_trash.py",
)  # fmt: skip
"""Tests that run twice on Linux: as it is, and as Windows behaves."""

_gpu_count = device.gpu_count
SMALL_DEMO = DemoSize(seed=0, slides=12, patches_per_slide=12)


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Nodescope home for the whole session, so that the demo set is generated once."""
    return tmp_path_factory.mktemp("nodescope-home")


@pytest.fixture(autouse=True, scope="session")
def _unseen_gpus() -> Iterator[None]:
    """Have everything work on the CPU, whose digits the tests know, also on a computer with a GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "gpu_count", lambda: 0)
        patch.setattr(device, "_has_mps", lambda: False)
        yield


@pytest.fixture(autouse=True)
def _gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test that is marked `gpu` see them, and processes that other tests start not."""
    if request.node.get_closest_marker("gpu") is None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    elif not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    else:
        monkeypatch.setattr(device, "gpu_count", _gpu_count)


@pytest.fixture(autouse=True, scope="session")
def _pytorch_predicts() -> Iterator[None]:
    """Have PyTorch predict, also in processes that tests start: its digits are known, and OpenVINO takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(engine.VARIABLE, engine.TORCH)
        yield


@pytest.fixture(autouse=True)
def _own_home(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test ever touches the home of the person who runs it."""
    monkeypatch.setenv(HOME_VARIABLE, str(shared_home))


@pytest.fixture(scope="session")
def small_demo(shared_home: Path) -> Iterator[Dataset]:
    """A small demo set: 144 patches of 12 slides."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(shared_home))
        yield open_demo(size=SMALL_DEMO)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let the tests of what is stored and started run as on Windows too."""
    place = metafunc.definition.path.relative_to(Path(__file__).parent).as_posix()
    if sys.platform == "linux" and place.startswith(ON_WINDOWS_TOO):
        metafunc.parametrize("system", ["linux", "windows"], indirect=True)


@pytest.fixture(autouse=True)
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The system whose behaviour the test sees."""
    name: str = getattr(request, "param", sys.platform)
    if name == "windows":
        behave_as_windows(monkeypatch)
    return name


@pytest.fixture
def fresh_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Nodescope home for one test."""
    home = tmp_path / "home"
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    return home


@pytest.fixture
def kaggle_folder(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a folder in Kaggle's layout: labels by id, and the ids of unlabelled test patches."""

    def write(labels: Mapping[str, int], *, test: tuple[str, ...] = (), name: str = "kaggle", seed: int = 0) -> Path:
        folder = tmp_path / name
        random = np.random.default_rng(seed)
        for part, ids in (("train", tuple(labels)), ("test", test)):
            (folder / part).mkdir(parents=True)
            for patch_id in ids:
                pixels = random.integers(0, 256, (96, 96, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / f"{patch_id}.tif")
        lines = ["id,label", *(f"{patch_id},{label}" for patch_id, label in labels.items())]
        (folder / "train_labels.csv").write_text("\n".join(lines) + "\n")
        return folder

    return write


@pytest.fixture(scope="session")
def trained() -> Callable[..., Trained]:
    """A function that returns a run of a learning curve, tested on 10 tumour and 10 normal patches.

    So many normal ones get the highest probability: with 1 of them the AUC is 0.9, with 3 it is 0.7.
    """

    def make(size: int, seed: int, wrong: int, *, run: str = "") -> Trained:
        labels = np.arange(20) % 2
        probabilities = np.where(labels == 1, 0.8, 0.2)
        probabilities[0 : 2 * wrong : 2] = 0.9
        found = evaluate(labels, probabilities, resamples=20)
        return Trained(run or f"run-{size}-{seed}", size, seed, 4, 40, 3, found)

    return make


@pytest.fixture(scope="session")
def tiny_bundle() -> Bundle:
    """An untrained bundle with known calibration: fast, and right about nothing."""
    torch.manual_seed(0)
    weights = models.build("notebook-cnn").state_dict()
    card = Card(
        name="tiny",
        model="notebook-cnn",
        arguments={},
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        calibration=Calibration(temperature=2.0, bias=0.25),
        threshold=0.4,
    )
    return Bundle(card, halve(weights))


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an installed package with the network of docs/PYTHON.md; without it, the package is gone."""
    folder = tmp_path / "site"
    about = folder / "acme_networks-1.5.dist-info"
    about.mkdir(parents=True)
    guide = (Path(__file__).parents[1] / "docs" / "PYTHON.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(from torch import nn\n.*?)```", guide, re.DOTALL)
    (folder / "acme_networks.py").write_text(code)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-networks\nVersion: 1.5\n")
    (about / "entry_points.txt").write_text("[nodescope.networks]\ntiny = acme_networks:tiny\n")
    monkeypatch.syspath_prepend(str(folder))
    registry._entries.cache_clear()
    yield folder
    registry._entries.cache_clear()
    sys.modules.pop("acme_networks", None)


@pytest.fixture
def stopped_run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Path], Run]:
    """A function that trains on a data set in a new run folder, until the run was asked three times whether to stop."""

    def train(data: Path, folder: Path) -> Run:
        run = create_run(TrainingConfig(data=(str(data),), epochs=2, batch_size=16, device="cpu"), folder)
        asked: list[int] = []

        def stop_soon(_: Run) -> bool:
            asked.append(1)
            return len(asked) > 3

        with monkeypatch.context() as patched:
            patched.setattr(Run, "stop_requested", stop_soon)
            execute(run)
        assert run.status().state == "stopped"
        return run

    return train
