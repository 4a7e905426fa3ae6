"""The command line: ``python -m core COMMAND``; each command is a module of :mod:`core.commands`."""

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

TRAINING = ("core.training.execute", "torch._dynamo")
"""What is imported when a run begins; the second by the first step of an optimiser, which takes a second."""


def interrupted(*_: Any) -> None:
    """End the process at once: what Ctrl+C does while modules are loaded and when all is done."""
    # Not by KeyboardInterrupt: imports print a traceback of it, or take it for a package that is missing.
    os.write(2, b"interrupted\n")
    os._exit(130)


def prepare_workers(words: Sequence[str]) -> None:
    """Start to import what the workers of a command line need, beside the import in this process."""
    given = {word.partition("=")[0] for word in words}
    # With more threads, and elsewhere, each worker imports for itself. A pack has processes of another kind.
    if "--workers" not in given or {"--cpus", "pack"} & given or sys.platform != "linux":
        return
    from core.cluster.local import prepare

    training = () if {"slide", "evaluate", "submit"} & given else TRAINING
    prepare([f"core.commands.{words[1].replace('-', '_')}", *training])


def main(name: str = "python -m core") -> int:
    """Run the command line under the name that it was called by, and return its exit status."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored, as behind nohup
        signal.signal(signal.SIGINT, interrupted)
    prepare_workers(sys.argv)
    from core.commands import main as run

    return run(name=name)


if __name__ == "__mp_main__":  # a process that reads for a pack; Ctrl+C reaches it too, and its parent ends it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
elif __name__ == "__main__":  # the processes that read for a pack load this file too, and need none of the commands
    sys.exit(main())
