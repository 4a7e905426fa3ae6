"""Previous and Next, as buttons and by the arrow keys.

Streamlit unites presses of a button that come while a page is being drawn. Here the browser adds them up and sends the
place that they lead to, so that who presses a key four times goes on by four.
"""

from collections.abc import Callable
from pathlib import Path

from pages._ui.component import component, sent

_draw = component("steps", Path(__file__).parent, "steps")


def steps(
    *, key: str, at: int, count: int, on_step: Callable[[int], None], now: Callable[[], int] | None = None,
    keys: bool = True,
) -> None:  # fmt: skip
    """Draw the two buttons.

    Args:
        key: of both in the session.
        at: the place that is shown, from 0.
        count: how many places there are; 0 lets nobody go anywhere.
        on_step: gets the place to go to, before the page is drawn again.
        now: returns the place at the time of the press, where it may have been changed otherwise, as by a field that
            was left by it: the steps then count from there.
        keys: whether the arrow keys to the left and right press them.
    """

    def went() -> None:
        moved = sent(key, "moved")
        if not moved:
            return
        start, to = int(moved["start"]), int(moved["to"])
        here = start if now is None else now()
        # Between the two it is a step that was gone before the page could say so.
        if not min(start, to) <= here <= max(start, to):
            to += here - start
        on_step(min(max(to, 0), count - 1))

    data = {"at": at, "count": count, "keys": keys, "seen": int(sent(key, "moved", "number") or 0)}
    _draw(key=key, data=data, width="content", on_moved_change=went)
