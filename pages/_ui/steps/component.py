"""Previous and Next, as buttons and by the arrow keys.

Streamlit unites presses of a button that come while a page is being drawn. Here the browser adds them up and sends the
place that they lead to, so that who presses a key four times goes on by four.
"""

from collections.abc import Callable
from pathlib import Path

from pages._ui.component import component, sent

_draw = component("steps", Path(__file__).parent, "steps")


def steps(*, key: str, at: int, count: int, on_step: Callable[[int], None], keys: bool = True) -> None:
    """Draw the two buttons.

    Args:
        key: of both in the session.
        at: the place that is shown, from 0.
        count: how many places there are; 0 lets nobody go anywhere.
        on_step: gets the place to go to, before the page is drawn again.
        keys: whether the arrow keys to the left and right press them.
    """

    def moved() -> None:
        to = sent(key, "moved", "to")
        if to is not None:
            on_step(min(max(int(to), 0), count - 1))

    data = {"at": at, "count": count, "keys": keys, "seen": int(sent(key, "moved", "number") or 0)}
    _draw(key=key, data=data, width="content", on_moved_change=moved)
