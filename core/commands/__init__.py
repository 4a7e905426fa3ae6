"""The commands of ``python -m core``.

Each module has ``add(subparsers)``, which describes its command, and a function that runs it and returns the exit
status: 0 all went well, 1 a part of the input failed or a run did, 2 the command could not start.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from core import __version__
from core.commands import check, evaluate, explain, info, leak, pack, predict, runs, train
from core.errors import NodescopeError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Args:
        arguments: the words after the program's name; None takes the process's own.
    """
    parser = argparse.ArgumentParser(
        prog="python -m core",
        description="Nodescope: tumour in lymph-node patches. For research only, not for diagnosis.",
    )
    parser.add_argument("--version", action="version", version=f"Nodescope {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (train, runs, predict, explain, evaluate, leak, pack, check, info):
        command.add(commands)
    chosen = parser.parse_args(arguments)
    try:
        status: int = chosen.run(chosen)
    except NodescopeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever reads the output has seen enough, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status
