"""The bundles that come with Nodescope, by name."""

from pathlib import Path

_WEIGHTS = Path(__file__).resolve().parents[2] / "models" / "weights"

SHIPPED = {name: _WEIGHTS / f"{name}.safetensors" for name in ("nodescope", "nodescope-net")}
"""Name -> file. The most accurate one comes first and is the default; the other is Nodescope's own symmetric network,
which reads whole regions."""

DEFAULT = "nodescope"


def bundle_file(path: str | Path | None) -> Path:
    """Return the file that is meant, whether it is there or not.

    Args:
        path: of a bundle, or a name in :data:`SHIPPED`, before which a file of that name goes; None is the default.
    """
    if path is None:
        return SHIPPED[DEFAULT]
    file = Path(path).expanduser()
    return file if file.is_file() else SHIPPED.get(str(path), file)
