"""What commands print: one place through which every line passes on its way to a terminal or file."""

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO

from core.errors import StorageError

# Names of files and bundles are text of strangers: control characters could move the cursor, change colours or hide a
# line, and signs that turn the direction of writing could show another name. A line of progress begins with "\r".
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]|(?<!^)\r(?!\n)")


class Printed(io.TextIOBase):
    """A stream in front of another that shows unsafe characters by their numbers and says when it fails.

    Args:
        stream: where the text goes.
        optional: whether the command goes on without it, as without its notes on the error output.
    """

    def __init__(self, stream: TextIO, *, optional: bool = False):
        self._stream, self._optional = stream, optional

    def write(self, text: str) -> int:
        """Write a text. Raises :class:`StorageError`, or BrokenPipeError where nobody reads any more."""
        if text == "":  # with this and with b"", Click tries out what a stream takes
            return 0
        encoding = self._stream.encoding or "utf-8"
        safe = _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
        with self._told():
            self._stream.write(safe.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Write what is still held back. Raises as :meth:`write`."""
        with self._told():
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the number that the operating system gave it."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """How its text becomes bytes."""
        return self._stream.encoding

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # Python flushes once more when it ends, which would fail again and print a traceback.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            if self._optional:
                return
            if isinstance(error, BrokenPipeError):
                raise
            raise StorageError(
                f"The output could not be written: {error.strerror or error}. Free some space or let it go elsewhere."
            ) from error


@contextmanager
def printed() -> Iterator[None]:
    """Let what is printed pass through :class:`Printed`."""
    # Python has None where a stream was closed (`>&-`), and a file that is opened later would get its number.
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        output, errors = Printed(sys.stdout or nowhere), Printed(sys.stderr or nowhere, optional=True)
        with redirect_stdout(output), redirect_stderr(errors):
            yield
