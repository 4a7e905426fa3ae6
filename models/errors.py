"""What goes wrong with networks."""


class UnknownModelError(LookupError):
    """No network has this name, its package is not there, or it does not take these arguments."""
