"""Pieces on a Ray cluster of two nodes, of which a worker, a node and the head are killed; skipped without Ray."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core.cluster import Piece, Where, carry_out, claims
from core.errors import RunError
from tests.core.cluster import calls

pytest.importorskip("ray", reason="this test needs Ray")
pytestmark = pytest.mark.slow

PIECES, BLOCKS = 4, 12


class Cluster:
    """Ray nodes that are processes of this machine, with a processor each."""

    def __init__(self, folder: Path):
        self.folder, self.nodes = folder, dict[str, subprocess.Popen[bytes]]()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"

    def start(self, name: str) -> None:
        words = ["--head", "--port", str(self.port), "--include-dashboard", "false", "--temp-dir", str(self.folder)]
        if name != "head":
            words = ["--address", self.address]
        command = [Path(sys.executable).with_name("ray"), "start", "--block", "--num-cpus", "1", *words]
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
        self.nodes[name] = subprocess.Popen(
            [*command, "--object-store-memory", "100000000"],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def kill(self, name: str) -> None:
        process = self.nodes.pop(name)
        for each in [*psutil.Process(process.pid).children(recursive=True), process]:
            each.kill()
        process.wait()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "10")
    monkeypatch.setattr(claims, "SILENT_SECONDS", 15.0)
    folder = Path("/tmp") / f"ray-test-{os.getpid()}"  # sockets lie in it, whose paths must be short
    found = Cluster(folder)
    yield found
    for name in list(found.nodes):
        found.kill(name)
    subprocess.run(["rm", "-rf", folder], check=True)


def wait(condition: Callable[[], bool], *, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def pieces(folder: Path, seconds: float) -> list[Piece]:
    return [
        Piece(str(n), folder / str(n) / "claims", calls.write_blocks,
              {"folder": folder / str(n), "blocks": BLOCKS, "seconds": seconds})
        for n in range(PIECES)
    ]  # fmt: skip


def blocks(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.bin"))}


def test_a_worker_a_node_and_the_head_are_lost_and_the_bytes_are_those_of_one_process(
    cluster: Cluster, tmp_path: Path
) -> None:
    with Where().pool("cpu") as pool:
        assert [each.state for _, each in carry_out(pool, pieces(tmp_path / "here", 0))] == ["done"] * PIECES
    cluster.start("head")
    wait(lambda: _answers(cluster))
    cluster.start("second")
    ended: list[str] = []

    def work() -> None:
        with Where(ray=cluster.address).pool("cpu") as pool:
            ended.extend(each.state for _, each in carry_out(pool, pieces(tmp_path / "ray", 0.5)))

    def done() -> int:
        return len(blocks(tmp_path / "ray")) if (tmp_path / "ray").is_dir() else 0

    def workers() -> list[int]:
        lines = [line.split() for path in (tmp_path / "ray").rglob("log.txt") for line in path.read_text().splitlines()]
        return [int(pid) for _, pid in lines if psutil.pid_exists(int(pid))]

    worker = threading.Thread(target=work)
    wait(lambda: _answers(cluster))
    worker.start()
    wait(lambda: done() >= 6)
    os.kill(workers()[-1], 9)
    wait(lambda: done() >= 14)
    cluster.kill("second")
    wait(lambda: done() >= 22)
    cluster.kill("head")
    time.sleep(12)
    cluster.start("head")
    worker.join(300)

    assert ended == ["done"] * PIECES
    assert blocks(tmp_path / "ray") == blocks(tmp_path / "here")
    again = sum(
        count - 1
        for path in (tmp_path / "ray").rglob("log.txt")
        for count in Counter(line.split()[0] for line in path.read_text().splitlines()).values()
    )
    assert again <= 5  # a block of each piece in work: one killed worker, one node, two after the head


def _answers(cluster: Cluster) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", cluster.port)) == 0


def test_without_a_cluster_it_is_said_what_to_start(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match=r"No Ray cluster answers at 127\.0\.0\.1:9 \(.*ray start --head"),
        Where(ray="127.0.0.1:9").pool("cpu") as pool,
    ):
        list(carry_out(pool, pieces(tmp_path, 0)))
