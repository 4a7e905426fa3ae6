"""Claims: one process to a piece, without clocks, over namespaces of processes and networks."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.cluster import claims
from core.cluster.claims import Taken, claimed
from core.job import Cancelled

ROOT = Path(__file__).resolve().parents[3]
WORK = """
import os, sys, time
from pathlib import Path
# libfaketime makes threads of Python wait for ever, so the clock is set here; stopwatches stay as they are.
real, shift = time.time, float(sys.argv[3])
time.time = lambda: real() + shift
from core.cluster import Piece, Where, carry_out, claims, pieces
claims.BEAT_SECONDS, claims.SILENT_SECONDS, pieces.POLL_SECONDS = .1, 60, .02
def work(*, at, progress):
    progress(0)
    with open(at / "log.txt", "a") as log:
        log.write(f"begin {sys.argv[2]} {time.time()}\\n"); log.flush()
        time.sleep(.3)
        log.write(f"end {sys.argv[2]} {time.time()}\\n")
folder = Path(sys.argv[1])
given = [Piece(str(n), folder / str(n) / "claims", work, {"at": folder / str(n)}) for n in range(12)]
print("ready", flush=True)
sys.stdin.readline()
with Where().pool("cpu") as pool:
    for piece, outcome in carry_out(pool, given):
        assert outcome.state == "done", outcome
"""


def wait(condition: Callable[[], bool]) -> None:
    """Wait until it holds, at most 30 s."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def elsewhere(path: Path) -> None:
    """Make a claim that of another computer."""
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "host": "elsewhere", "boot": "another"}))


def test_a_piece_has_one_owner_until_it_is_given_back(tmp_path: Path) -> None:
    with claimed(tmp_path):
        with pytest.raises(Taken) as taken, claimed(tmp_path):
            pass
        assert taken.value.args == (1, 0)
        assert json.loads((tmp_path / "000001.json").read_text())["pid"] == os.getpid()
    with claimed(tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["000001.json", "000002.json"]


def test_of_many_that_try_at_once_one_succeeds(tmp_path: Path) -> None:
    got: list[int] = []
    start, end = threading.Barrier(16), threading.Event()

    def attempt(number: int) -> None:
        start.wait()
        try:
            with claimed(tmp_path):
                got.append(number)
                end.wait(30)
        except Taken:
            pass

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(16)]
    for each in threads:
        each.start()
    wait(lambda: sum(each.is_alive() for each in threads) == 1 and bool(got))
    assert len(got) == 1
    end.set()
    for each in threads:
        each.join()


def test_a_dead_process_of_this_computer_has_nothing(tmp_path: Path) -> None:
    held = (
        "import os, sys; from pathlib import Path; from core.cluster.claims import claimed\n"
        "with claimed(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", held, str(tmp_path)], cwd=ROOT, check=False).returncode == -9

    with claimed(tmp_path):
        assert (tmp_path / "000002.json").is_file()


def test_a_silent_owner_elsewhere_is_succeeded_once_and_finds_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "BEAT_SECONDS", 0.05)
    with claimed(tmp_path) as check:
        elsewhere(tmp_path / "000001.json")
        with pytest.raises(Taken) as taken, claimed(tmp_path):
            pass
        assert taken.value.args[0] == 1
        with claimed(tmp_path, over=1):
            with pytest.raises(Taken), claimed(tmp_path, over=1):  # a second one that saw the silence comes too late
                pass
            with pytest.raises(Cancelled):
                wait(lambda: check() is not None)  # at the next beat


def test_the_counter_of_an_owner_that_works_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "BEAT_SECONDS", 0.02)
    marks = set()

    def is_seen_to_work() -> bool:
        with pytest.raises(Taken) as taken, claimed(tmp_path):
            pass
        marks.add(taken.value.args)
        return len(marks) > 2

    with claimed(tmp_path):
        wait(is_seen_to_work)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may make namespaces")
def test_two_machines_with_clocks_90_seconds_apart_never_both_take_a_piece(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / str(number)).mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("this test needs unshare")

    def machine(name: str, shift: int) -> subprocess.Popen[str]:
        command = ["unshare", "-pn", "--fork", "--mount-proc", sys.executable, "-c", WORK, str(tmp_path), name]
        return subprocess.Popen(
            [*command, str(shift)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    machines = [machine("early", -45), machine("late", 45)]
    for each in machines:
        assert each.stdout is not None
        assert each.stdin is not None
        if each.stdout.readline() != "ready\n":
            pytest.skip("this system makes no namespaces")
    for each in machines:
        each.stdin.write("go\n")
        each.stdin.flush()
    for each in machines:
        each.communicate(timeout=120)
        assert each.returncode == 0

    times: dict[str, list[float]] = {"early": [], "late": []}
    for number in range(12):
        lines = [line.split() for line in (tmp_path / str(number) / "log.txt").read_text().splitlines()]
        # Both do every piece, one after the other: the second finds it free once the first has given it back.
        assert [line[0] for line in lines] == ["begin", "end"] * 2
        assert lines[0][1] == lines[1][1] != lines[2][1] == lines[3][1]
        for line in lines:
            times[line[1]].append(float(line[2]))
    assert max(times["late"]) - max(times["early"]) > 80
