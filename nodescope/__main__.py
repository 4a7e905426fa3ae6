"""The command ``nodescope``: all that ``python -m core`` has, from any folder, with completion for the shell."""

import multiprocessing
import os
import signal
import sys

from core.__main__ import main as run

COMPLETE = "_NODESCOPE_COMPLETE"
"""What a shell sets to ask for completions, or for the script that asks for them; see Click's documentation."""

if multiprocessing.parent_process() is not None:  # reads for a pack: Ctrl+C reaches it too, and its parent ends it
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main() -> int:
    """Run the command line and return its exit status."""
    asked = os.environ.get(COMPLETE)
    if asked:
        from click.shell_completion import shell_complete

        from core.commands import program

        return shell_complete(program, {}, "nodescope", COMPLETE, asked)
    return run("nodescope")


if __name__ == "__main__":
    sys.exit(main())
