"""How long work reports how far it is."""

from typing import Protocol


class Progress(Protocol):
    """Receives the finished share of some work.

    Whoever passes one may raise in it to end the work; :class:`core.job.Cancelled` is raised that way.
    """

    def __call__(self, share: float, /) -> None:
        """Receive the finished share, 0 to 1."""


def no_progress(_share: float, /) -> None:
    """Ignore the share: the default of every function that reports one."""


def within(progress: Progress, low: float, high: float) -> Progress:
    """Return the progress of one stage of the work, which takes it from the share `low` to the share `high`.

    Example:
        >>> read(rows, progress=within(progress, 0.0, 0.9))
        >>> fit(features, progress=within(progress, 0.9, 1.0))
    """
    # A weighted mean, so that a stage ends at exactly `high`: 1.0 is what callers take for the end.
    return lambda share: progress(low * (1 - share) + high * share)
