"""Keeping Pillow and libtiff from writing to the terminal and from warning: what matters is refused or noted."""

import ctypes
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from PIL import Image, _imaging

# libtiff prints what it finds wrong in a file, and Pillow turns off its warnings only. The symbol is found through what
# Pillow's core is linked with; on Windows libtiff is a part of that core, which hides it, and the lines stay.
with suppress(OSError, AttributeError):
    _set_handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
    _set_handler.argtypes, _set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
    _set_handler(None)


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keep Pillow's warnings on odd metadata and large sizes quiet."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
        warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
        yield
