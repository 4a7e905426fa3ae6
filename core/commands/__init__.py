"""The commands of ``python -m core``.

Each module has ``add(subparsers)``, which describes its command, and a function that runs it and returns the exit
status: 0 all went well, 1 a part of the input failed or a run did, 2 the command could not start.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from core import __version__
from core.errors import NodescopeError

COMMANDS = {
    "train": "train", "rehearsal": "preflight", "runs": "runs", "folds": "cross_validate", "search": "search",
    "curve": "learning_curve", "studies": "studies", "predict": "predict", "region": "region", "explain": "explain",
    "evaluate": "evaluate", "submit": "submit", "leak": "leak", "lr": "lr_find", "pack": "pack", "check": "check",
    "errors": "label_errors", "embed": "embed", "split": "split", "get": "download", "info": "info",
}  # fmt: skip
"""The commands and their modules, in the order of the help."""


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
    words = sys.argv[1:] if arguments is None else list(arguments)
    # Each module brings what it needs, PyTorch for the most part; whoever names a command waits for that one alone.
    for name in words[:1] if words and words[0] in COMMANDS else COMMANDS:
        import_module(f"core.commands.{COMMANDS[name]}").add(commands)
    chosen = parser.parse_args(words)
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
