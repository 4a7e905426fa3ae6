"""The command line: ``python -m core COMMAND``; each command is a module of :mod:`core.commands`."""

import sys

from core.commands import main

if __name__ == "__main__":
    sys.exit(main())
