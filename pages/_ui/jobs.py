"""Work in the background as a page shows it: a button that starts it, then its progress and a way to stop it."""

from collections.abc import Sequence

import streamlit as st

from core.errors import NodescopeError
from core.job import Job
from pages._ui import layout, widgets


def draw(
    job: Job, command: Sequence[str], *, label: str, doing: str, can_stop: bool = True, icon: str = "play_arrow"
) -> None:
    """Draw the button that starts a job, or how far the job is; the page is drawn again when it has ended.

    Args:
        job: what is started and watched.
        command: the words after ``python -m core``.
        label: on the button.
        doing: what is going on, beside the progress.
        can_stop: whether there is a place in the work where a wish to stop is noticed.
        icon: on the button.
    """
    status = job.status()
    if status.is_active:
        _watch(job, doing, can_stop)
        return
    if status.state in ("failed", "lost"):
        st.error(f"The last attempt failed. {status.message}", icon=":material/error:")
    elif status.state == "cancelled":
        st.caption("The last attempt was stopped.")
    st.button(label, icon=f":material/{icon}:", on_click=launch, args=(job, command), key=f"start-{job.path.name}")


def launch(job: Job, command: Sequence[str]) -> None:
    """Start a job, for a button's `on_click`; what hinders it is shown as a sentence."""
    try:
        job.launch(command)
    except NodescopeError as error:
        layout.show_error(error)


@st.fragment(run_every=1.0)
def _watch(job: Job, doing: str, can_stop: bool) -> None:
    status = job.status()
    if not status.is_active:
        st.rerun()
    words = f"{doing}: {status.share:.0%}"
    if status.seconds_left:
        words += f", about {max(1, round(status.seconds_left)):,} s left"
    st.progress(min(status.share, 1.0), text="Starting its process …" if status.state == "starting" else words)
    if not can_stop:
        st.caption("It goes on if you leave this page, and cannot be stopped half-way.")
    elif job.stop_requested():
        st.caption("Stopping after the patches in work …")
    else:
        st.button("Stop", icon=":material/stop:", on_click=job.request_stop, key=f"stop-{job.path.name}")


@st.fragment(run_every=1.0)
def watch_patches(job: Job, doing: str, patches: int, *, key: str) -> None:
    """Draw how many of `patches` a job has worked on, and a way to cancel it; the page is drawn again when it ends."""
    status = job.status()
    if not status.is_active:
        st.rerun()
    left = ""
    if status.seconds_left:
        rate = (1 - status.share) * patches / status.seconds_left
        left = f", {rate:,.0f} a second, about {widgets.duration(status.seconds_left)} left"
    done = f"{doing}: {round(status.share * patches):,} of {patches:,} patches{left}"
    st.progress(min(status.share, 1.0), text="Starting its process …" if status.state == "starting" else done)
    if job.stop_requested():
        st.caption("Cancelling after the patches in work …")
    else:
        st.button("Cancel", icon=":material/stop:", on_click=job.request_stop, key=key)
