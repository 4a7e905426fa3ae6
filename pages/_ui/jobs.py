"""Work in the background: the button that starts a job, its progress with a way to stop it, and how it ended."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from core.cluster import room
from core.errors import NodescopeError
from core.formatting import duration
from core.job import Job, JobStatus
from core.prediction import Predictor
from pages._ui import cache, widgets

PROBE = 32
"""Patches on which the speed is measured."""

START_SECONDS = 5.0
"""Until the process of a job has imported what it needs."""


def draw(
    job: Job,
    command: Sequence[str],
    *,
    label: str,
    doing: str,
    patches: int = 0,
    next_one: str = "",
    can_stop: bool = True,
    icon: str = "play_arrow",
) -> None:
    """Draw the button that starts a job, or its progress; the page is drawn again when the job has ended.

    Args:
        job: the job.
        command: the arguments after ``python -m core``.
        label: on the button.
        doing: what is going on, beside the progress.
        patches: how many patches the job goes through, see :func:`watch`.
        next_one: what another attempt does after one that failed or was cancelled.
        can_stop: whether the work notices a request to stop.
        icon: on the button.
    """
    status = job.status()
    if status.is_active:
        watch(job, doing, patches=patches, can_stop=can_stop)
        return
    last_attempt(status, next_one=next_one)
    st.button(label, icon=f":material/{icon}:", on_click=launch, args=(job, command), key=f"start-{job.path.name}")


def last_attempt(status: JobStatus, *, next_one: str = "") -> None:
    """Draw how the last attempt ended, unless it succeeded; `next_one` says what another attempt does."""
    if status.state == "failed":
        st.error(f"The last attempt failed. {status.message} {next_one}".rstrip(), icon=":material/error:")
    elif status.state == "lost":
        st.warning(f"The last attempt was killed at {status.share:.0%}. {next_one}".rstrip(), icon=":material/help:")
    elif status.state == "cancelled":
        st.caption(f"The last attempt was cancelled. {next_one}".rstrip())


def estimate(predictor: Predictor, patches: int) -> float:
    """Return how many seconds a job takes that puts patches through a network; measured once for each model."""

    def measure() -> float:
        probe = np.zeros((PROBE, 96, 96, 3), np.uint8)
        predictor.predict(probe)  # the first one also prepares the network
        started = time.perf_counter()
        predictor.predict(probe)
        return (time.perf_counter() - started) / PROBE

    return START_SECONDS + patches * cache.recall(
        "rate", (predictor.bundle.digest, str(predictor.device)), measure, most=8
    )


def at_once(what: str, device: str, problems: list[str], *, key: str, help: str = "", place: Any = st) -> int:
    """Draw the field for how many processes share the work, where this computer has room for several; return how many.

    Args:
        what: each of them has, such as "Runs".
        device: they use.
        problems: of the form, see :func:`pages._ui.widgets.count`.
        key: of the field.
        help: what is special about them.
        place: where the field is drawn.
    """
    most = room(device)
    if most < 2:
        if device.startswith("cuda:"):  # only where there are several GPUs is one of them named
            place.caption(
                f"{what} are worked on one after the other on {device}, the device in the sidebar. With *auto* there, "
                "each GPU works on one of them at the same time."
            )
        return 1
    with place.container(width=210):
        return widgets.count(
            f"{what} at the same time", 1, most, 1, key=key, problems=problems,
            help="Each has a process of its own with its own memory and one core, or one GPU where there are several; "
            f"a single one has all cores. {help}".rstrip(),
        )  # fmt: skip


def launch(job: Job, command: Sequence[str]) -> None:
    """Start a job, or show why it cannot start: a callback."""
    try:
        job.launch(command)
    except NodescopeError as error:
        widgets.show_error(error)


@st.fragment(run_every=1.0)
def watch(job: Job, doing: str, *, patches: int = 0, can_stop: bool = True) -> None:
    """Draw the progress of a job, in patches where their number is given, and a button that cancels it.

    The page is drawn again when the job has ended.
    """
    status = job.status()
    if not status.is_active:
        st.rerun()  # the result is outside of this fragment
    text = f"{doing}: {status.share:.0%}"
    if patches:
        text = f"{doing}: {round(status.share * patches):,} of {patches:,} patches"
    if status.seconds_left:
        if patches:
            text += f", {(1 - status.share) * patches / status.seconds_left:,.0f} per second"
        text += f", about {duration(status.seconds_left)} left"
    st.progress(min(status.share, 1.0), text="Starting …" if status.state == "starting" else text)
    if not can_stop:
        st.caption("It continues if you leave this page, and cannot be stopped before it ends.")
    elif job.stop_requested():
        st.caption("Cancelling after the current patches …")
    else:
        st.button("Cancel", icon=":material/stop:", on_click=job.request_stop, key=f"cancel-{job.path.name}")
