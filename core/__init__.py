"""Nodescope's core: data, training, evaluation, prediction and attribution, without any user interface.

The dependencies point one way, ``pages -> core -> models -> torch``. Every page and every command of ``python -m core``
calls the same functions, so that both give the same answers.
"""

import os

# Before PyTorch is loaded: what it has no kernel for on the GPU of a Mac is then computed on the CPU.
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")

__version__ = "0.2.0"
"""The one place of the version; the package takes it from here."""
