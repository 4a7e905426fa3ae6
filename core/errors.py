"""The errors that Nodescope raises on purpose.

Every message says what failed, what was given, what was expected and what to do. Pages and the command line catch
:class:`NodescopeError` only; anything else is a defect and is allowed to surface.

::

    NodescopeError
    ├── ConfigError          a setting that is out of range or contradicts another
    ├── DataError            a data set that cannot be opened or used
    │   ├── PatchError       one image that cannot be used as a patch; the rest of a batch goes on
    │   └── ChoiceError      a data set that a person has to say something about first, such as which class is tumour
    ├── BundleError          a bundle file that is damaged, foreign or of a newer format
    ├── WeightsError         pretrained weights that are not to be had or do not fit the network
    ├── RunError             a run directory that is missing, busy or damaged
    │   └── TrainingError    a training that cannot go on, such as a loss that is not a number
    ├── EvaluationError      metrics that the given labels and probabilities do not define
    ├── AttributionError     a method that does not hold for this network
    ├── DeviceError          a requested device that is not there
    └── StorageError         a file that cannot be written, such as on a full disk
"""

from dataclasses import dataclass, field
from pathlib import Path


class NodescopeError(Exception):
    """Base of all errors that are shown to the user as one sentence."""


class ConfigError(NodescopeError, ValueError):
    """A setting is out of range or contradicts another."""


class DataError(NodescopeError):
    """A data set cannot be opened or used."""

    @classmethod
    def unreadable(cls, path: Path, error: OSError, *, advice: str = "") -> "DataError":
        """Return the error of a file or folder that the system does not let us read: it need not be damaged."""
        if not advice:
            advice = "Check its permissions." if isinstance(error, PermissionError) else "Check the disk and the path."
        return cls(f"{path} cannot be read: {error.strerror or error}. {advice}")


class PatchError(DataError):
    """One image cannot be used as a patch."""


class ChoiceError(DataError):
    """A person has to say something about a data set before it can be opened, such as which class is tumour.

    Attributes:
        about: "classes", "root" (where its files lie) or "packed" (whether to unpack it).
    """

    def __init__(self, message: str, *, about: str = "classes"):
        super().__init__(message)
        self.about = about


class BundleError(NodescopeError):
    """A bundle file is damaged, foreign or of a newer format."""


class WeightsError(NodescopeError):
    """Pretrained weights are not to be had or do not fit the network."""


class RunError(NodescopeError):
    """A run directory is missing, busy or damaged."""


class TrainingError(RunError):
    """A training cannot go on."""


class EvaluationError(NodescopeError, ValueError):
    """The given labels and probabilities do not define the metric."""


class AttributionError(NodescopeError):
    """An attribution method does not hold for this network."""


class DeviceError(NodescopeError):
    """A requested device is not there."""


class StorageError(NodescopeError):
    """A file cannot be written."""


@dataclass(frozen=True)
class Problem:
    """Something that could not be used.

    Attributes:
        name: of it.
        reason: a sentence on why and what to do.
        kind: what such things have in common, to follow a number: "without a label".
        patches: how many patches are left out for it; 0 for a remark, None where nobody can tell.
    """

    name: str
    reason: str
    kind: str = field(default="", compare=False)
    patches: int | None = field(default=1, compare=False)

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"

    @classmethod
    def from_error(cls, name: str, error: PatchError) -> "Problem":
        """Return the problem that an error describes, whose sentence begins with the name."""
        return cls(name, str(error).removeprefix(f"{name}: "))
