"""A copy of a bundle that decides at another threshold."""

from dataclasses import replace
from pathlib import Path

from core.bundle.bundle import Bundle
from core.errors import BundleError
from core.storage.home import home


def with_threshold(bundle: Bundle, threshold: float, *, name: str, reason: str) -> Bundle:
    """Return a copy with another threshold and name; weights and calibration stay as they are.

    Args:
        bundle: where it comes from.
        threshold: the new one, in [0, 1].
        name: of the copy.
        reason: how the threshold was chosen; becomes one of the notes of its card.

    Raises:
        BundleError: the threshold is out of range or the name is empty.
    """
    if not 0 <= threshold <= 1:
        raise BundleError(f"threshold must be 0 to 1, got {threshold}.")
    if not name.strip():
        raise BundleError("The new bundle needs a name.")
    note = f"Threshold moved from {bundle.card.threshold:.4f} to {threshold:.4f}: {reason}"
    card = bundle.card.with_changes(name=name.strip(), threshold=float(threshold), notes=(*bundle.card.notes, note))
    return replace(bundle, card=card)


def bundles_home() -> Path:
    """Return the folder for bundles that were saved by hand."""
    return home() / "bundles"


def save_new(bundle: Bundle, stem: str) -> Path:
    """Save a bundle among those saved by hand and return where; an existing file is never replaced.

    Raises:
        BundleError: there is a bundle of this name.
        StorageError: it cannot be written.
    """
    path = bundles_home() / f"{file_stem(stem)}.safetensors"
    if path.exists():
        raise BundleError(f"There is a bundle called {path.name} already; choose another name.")
    bundle.save(path)
    return path


def file_stem(name: str) -> str:
    """Return a name that is suitable for a file: letters, digits, "-", "_" and ".", at most 80 characters."""
    kept = "".join(each if each.isascii() and (each.isalnum() or each in "-_.") else "-" for each in name)
    return kept.strip("-.")[:80] or "bundle"
