"""Previous and Next that lose no press."""

from pages._ui.steps.component import steps

__all__ = ["steps"]
