"""The command line: ``python -m core COMMAND``; each command is a module of :mod:`core.commands`."""

import os
import signal
import sys
from typing import Any


def interrupted(*_: Any) -> None:
    """End the process at once: what Ctrl+C does while modules are loaded and when all is done."""
    # Not by KeyboardInterrupt: imports print a traceback of it, or take it for a package that is missing.
    os.write(2, b"interrupted\n")
    os._exit(130)


def main(name: str = "python -m core") -> int:
    """Run the command line under the name that it was called by, and return its exit status."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored, as behind nohup
        signal.signal(signal.SIGINT, interrupted)
    if any(word.partition("=")[0] == "--workers" for word in sys.argv):
        from core.cluster.local import prepare

        prepare(sys.argv)
    from core.commands import main as run

    return run(name=name)


if __name__ == "__mp_main__":  # a process that reads for a pack; Ctrl+C reaches it too, and its parent ends it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
elif __name__ == "__main__":  # the processes that read for a pack load this file too, and need none of the commands
    sys.exit(main())
