"""Damaged files by thousands: ``python -m tests.fuzz run --files 1000 --seed 0``.

Each file is refused in a sentence, shown as damaged, or answers as the intact one does. A finding is any other
exception and, where a checksum could have told, another answer. Where there is none, as for a number in metrics.csv
that could be right, other answers are counted as "changed".
"""

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from importlib import import_module
from pathlib import Path

import numpy as np

from tests.fuzzers.home import unpack

KINDS = ("bundle", "run", "study", "pack", "scores", "beside")


def fuzz(kind: str, *, files: int, seed: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """Damage and try so many files; return the counts of outcomes and a line for each finding."""
    fuzzer, rng = import_module(f"tests.fuzzers.{kind}"), np.random.default_rng(seed)
    place = fuzzer.place(unpack(folder))
    source = folder / "intact"
    shutil.copytree(place, source)
    intact = fuzzer.attempt(place)
    assert intact == fuzzer.attempt(place) != "refused"
    counts: Counter[str] = Counter()
    findings = []
    for number in range(files):
        how = fuzzer.damaged(rng, source, place)
        try:
            found = fuzzer.attempt(place)
        except Exception as error:  # noqa: BLE001
            last = traceback.extract_tb(error.__traceback__)[-1]
            findings.append(f"{kind} {number}: {how}: {type(error).__name__}: {error} ({last.filename}:{last.lineno})")
            counts["exception"] += 1
            continue
        outcome = "refused" if found.startswith("refused") else "same" if found == intact else "changed"
        if outcome == "changed" and getattr(fuzzer, "CHECKED", False):
            findings.append(f"{kind} {number}: {how}: another answer")
        counts[outcome] += 1
    return counts, findings


def main() -> int:
    """Run the fuzzer from the command line; 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        counts, findings = fuzz(given.kind, files=given.files, seed=given.seed, folder=Path(folder))
    print(*(line[:400] for line in findings), sep="\n")  # noqa: T201
    rate = given.files / (time.monotonic() - started)
    print(f"{given.kind}: {given.files} files, {dict(counts)}, {len(findings)} findings, {rate:.0f} files/s")  # noqa: T201
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
