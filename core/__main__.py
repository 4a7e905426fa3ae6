"""The command line: ``python -m core COMMAND``; each command is a module of :mod:`core.commands`."""

import sys

if __name__ == "__main__":  # the processes that read for a pack load this file too, and need none of the commands
    from core.commands import main

    sys.exit(main())
