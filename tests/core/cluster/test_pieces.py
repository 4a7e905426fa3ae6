"""Pieces: the same bytes here and in processes, whatever dies, and one process to a piece."""

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from core.cluster import Outcome, Piece, Where, carry_out, claims, pieces
from core.cluster.claims import claimed
from core.errors import ConfigError
from core.job import Cancelled
from tests.core.cluster import calls

WHERES = [Where(), Where(workers=2)]
ROOT = Path(__file__).resolve().parents[3]
Given = dict[str, object]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(claims, "BEAT_SECONDS", 0.02)


def piece(folder: Path, call: Callable[..., object] = calls.write_blocks, **given: object) -> Piece:
    return Piece(folder.name, folder / "claims", call, {"folder": folder, **given})


def outcomes(where: Where, *given: Piece, **more: object) -> dict[str, Outcome]:
    with where.pool("cpu") as pool:
        return {each.name: outcome for each, outcome in carry_out(pool, given, **more)}


@pytest.mark.parametrize("where", WHERES, ids=["here", "workers"])
def test_pieces_are_done_and_their_ends_said(where: Where, tmp_path: Path) -> None:
    shares: list[float] = []
    given = [piece(tmp_path / "one"), piece(tmp_path / "two"), piece(tmp_path / "bad", calls.refuse)]

    found = outcomes(where, *given, progress=shares.append)

    assert {name: (each.state, each.value) for name, each in found.items()} == {
        "one": ("done", 4), "two": ("done", 4), "bad": ("failed", None),
    }  # fmt: skip
    assert str(found["bad"].error) == "bad is no slide. Give another file."
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert shares == sorted(shares)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.bin")}
    assert len(before) == 8
    assert outcomes(where, *given[:2])["one"].value == 4
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.bin")} == before


def test_a_worker_that_is_killed_repeats_at_most_a_block(tmp_path: Path) -> None:
    found = outcomes(
        Where(workers=2),
        piece(tmp_path / "twice", calls.die_at_first, times=2),
        piece(tmp_path / "ever", calls.die_at_first, times=99),
        piece(tmp_path / "never"),
    )

    assert {name: each.state for name, each in found.items()} == {"twice": "done", "ever": "failed", "never": "done"}
    assert str(found["ever"].error).startswith("Its process ended 3 times before it was done")
    log = (tmp_path / "twice" / "log.txt").read_text().splitlines()
    assert Counter(line.split()[0] for line in log) == {"0": 1, "1": 1, "2": 1, "3": 1}
    assert len(list((tmp_path / "ever").glob("death-*"))) == pieces.TRIES


@pytest.mark.parametrize("where", WHERES, ids=["here", "workers"])
def test_a_request_to_stop_reaches_the_pieces_in_work(where: Where, tmp_path: Path) -> None:
    stopped: list[str] = []

    def progress(share: float) -> None:
        if share >= 0.25 or any(tmp_path.rglob("0.bin")):
            raise Cancelled

    with pytest.raises(Cancelled):
        outcomes(
            where, piece(tmp_path / "a", seconds=0.1), piece(tmp_path / "b", seconds=0.1), progress=progress,
            stop=lambda those: stopped.extend(each.name for each in those),
        )  # fmt: skip
    assert sorted(set(stopped)) == ([] if where.is_here else ["a", "b"])  # the one here has ended by the same error
    assert outcomes(Where(), piece(tmp_path / "a"), piece(tmp_path / "b"))["b"].state == "done"


def test_a_piece_that_forgets_a_request_to_stop_is_asked_again(tmp_path: Path) -> None:
    def progress(_share: float) -> None:
        if (tmp_path / "begun").exists():
            raise Cancelled

    started = time.monotonic()
    with pytest.raises(Cancelled):
        outcomes(
            Where(workers=1), piece(tmp_path, calls.forget_and_wait), progress=progress,
            stop=lambda _those: (tmp_path / "stop").touch(),
        )  # fmt: skip
    assert (tmp_path / "stopped").exists()
    assert time.monotonic() - started < pieces.PATIENCE_SECONDS / 2


def test_what_another_process_has_is_done_when_it_is_given_back(tmp_path: Path) -> None:
    begun: list[str] = []
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with claimed(tmp_path / "a" / "claims"):
            held.set()
            free.wait(30)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(30)
    with Where().pool("cpu") as pool:
        ended = carry_out(
            pool, [piece(tmp_path / "a"), piece(tmp_path / "b")], begin=lambda each: begun.append(each.name)
        )
        assert next(ended)[0].name == "b"
        assert not (tmp_path / "a" / "0.bin").exists()
        free.set()
        assert next(ended)[0].name == "a"
    other.join()
    assert begun == ["a", "b"]


def test_without_ray_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.cluster.on_ray.find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match="--ray needs Ray, which is not installed here: pip install"):
        Where(ray="local").pool("cpu")


@pytest.mark.parametrize(("device", "visible"), [("auto", ["4", "7"]), ("cuda", ["4", "7"]), ("cuda:1", ["4,7"] * 2)])
def test_each_worker_has_a_gpu_of_its_own_unless_one_is_named(
    device: str, visible: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.device.gpu_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    with Where(workers=2).pool(device) as pool:
        found = carry_out(pool, [Piece(name, tmp_path / name, calls.look_for_gpus, {}) for name in "ab"])
        assert sorted(outcome.result() for _, outcome in found) == visible
    assert not pieces.is_worker()


PREPARED = """
import os, sys
from pathlib import Path
from core.__main__ import prepare_workers
from core.cluster import Piece, Where, carry_out
from tests.core.cluster import calls
print("torch" in sys.modules)
prepare_workers(["core", "info", "--workers", "1", *sys.argv[2:]])
with Where(workers=1, cpus=int((sys.argv[2:] or ["=1"])[-1].partition("=")[2])).pool("cpu") as pool:
    [(_, outcome)] = carry_out(pool, [Piece("a", Path(sys.argv[1]), calls.look_around, {})])
print(outcome.value, os.environ.get("OMP_NUM_THREADS"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, processes are not forked")
@pytest.mark.parametrize(
    ("cpus", "worker"),
    # With one thread it is forked with PyTorch, with more it imports it for itself, each with its threads.
    [
        pytest.param([], "(True, 1, '1', '1')", id="forked"),
        pytest.param(["--cpus=2"], "(False, 2, '2', '1')", id="spawned", marks=pytest.mark.slow),
    ],
)
def test_a_worker_has_its_threads_whether_it_is_forked_or_spawned(cpus: list[str], worker: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-c", PREPARED, str(tmp_path), *cpus]
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    # PyTorch is not imported with the pool.
    assert found.splitlines() == ["False", f"{worker} None"]


class Forgetful:
    """A pool of a hundred nodes in time that passes at once: each piece may be lost with its node."""

    def __init__(self, share: float):
        self.random, self.share, self.tasks, self.attempts = random.Random(7), share, [], Counter()

    def slots(self) -> int:
        return 100

    def submit(self, task: pieces.Task, _progress: object) -> None:
        self.tasks.append(task)

    def finished(self, _seconds: float) -> list[tuple[int, Outcome]]:
        self.random.shuffle(self.tasks)
        ended, self.tasks = self.tasks[:10], self.tasks[10:]
        self.attempts.update(number for number, _ in ended)
        return [(number, Outcome("gone" if self.random.random() < self.share else "done")) for number, _ in ended]


def test_a_hundred_thousand_pieces_on_failing_nodes_are_all_done_once(tmp_path: Path) -> None:
    pool, count = Forgetful(0.1), 100_000
    given = [Piece(str(number), tmp_path, calls.write_blocks, {}) for number in range(count)]
    started = time.process_time()

    done = [each.name for each, outcome in carry_out(pool, given) if outcome.state == "done"]  # type: ignore[arg-type]

    assert len(done) == len(set(done)) == count
    assert 1.1 < sum(pool.attempts.values()) / count < 1.13  # 1 / (1 - 0.1)
    assert time.process_time() - started < 30
