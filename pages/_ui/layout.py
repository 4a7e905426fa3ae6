"""The frame of every page: the sidebar with the shared choices, errors as sentences, the research-only line."""

import html
import runpy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import streamlit as st
import torch
from streamlit.delta_generator import DeltaGenerator

from core.bundle import Card
from core.bundle.rethreshold import bundles_home
from core.bundle.shipped import DEFAULT, SHIPPED
from core.data import DEMO, Dataset
from core.device import describe_device, device_choices, gpu_problem
from core.errors import BundleError, ChoiceError, NodescopeError
from core.formatting import RESEARCH_ONLY
from core.prediction import Predictor
from core.prediction.engine import OPENVINO, chosen
from core.runs import Run, find_run, list_runs
from core.storage.home import tighten_home
from pages._ui import cache, open_data, query_params, sign_in, state, widgets
from pages._ui.widgets import show_error as show_error

ENTRY = Path(__file__).resolve().parents[2] / "streamlit_app.py"
_SHIPPED, _SAVED = "shipped:", "saved:"  # no run's name has a colon
_SHIPPED_LABELS = {"nodescope": "nodescope, most accurate", "nodescope-net": "nodescope-net, symmetric"}


# Each session runs in a thread of its own, which a plain global would mix up.
_title: ContextVar[DeltaGenerator | None] = ContextVar("the row of the title; None outside of the frame", default=None)


@contextmanager
def frame(page: Any, title: DeltaGenerator) -> Iterator[None]:
    """Draw the frame; show an expected error of the page as one sentence and let anything else surface.

    Args:
        page: the page.
        title: the row that holds its title already.
    """
    # Before any widget: the key of a widget that is drawn can no longer be set.
    query_params.clean()
    query_params.come_back(page.title)
    tighten_home()
    notice_of_data = _sidebar()
    token = _title.set(title)
    try:
        # What is drawn just before st.rerun() is lost, so a notice waits in the session for the run after it.
        notice = st.session_state.pop(state.NOTICE, None)
        if notice:
            st.toast(notice)
        yield
    except NodescopeError as error:
        show_error(error)
    finally:
        _title.reset(token)
    # Last, because it is the page that opens the data set.
    if left_out := cache.left_out(open_data.source()):
        # As HTML, because names of files may look like Markdown.
        notice_of_data.html(f'<div class="left-out">{html.escape(left_out)}</div>')
    query_params.note(page.title)
    st.html(f'<div class="research-only">Nodescope · {page.title} · {RESEARCH_ONLY}</div>')


def show(main: Callable[[], None]) -> None:
    """Draw a page: the last line of every file in pages/.

    Streamlit takes a file in a folder of this name for an app of its own when its address is the first that a fresh
    server is asked for. The frame is then missing, and the app is entered by its front door.
    """
    if _title.get() is not None:
        if open_data.source() not in open_data.known():
            widgets.ask_to_open(open_data.source(), open_data.agree)
            return
        try:
            if open_data.is_unsettled():
                open_data.ask(open_data.source())
            else:
                main()
        except ChoiceError:  # of the data set, before anything else is drawn
            open_data.ask(open_data.source())
    else:
        runpy.run_path(str(ENTRY))


def title_row(*, of_data: bool = False) -> DeltaGenerator:
    """Return the row that holds the title, for what stands beside it.

    Args:
        of_data: whether the page is about the open data set, so that a badge says where that is synthetic.
    """
    row = _title.get()
    if row is None:
        raise RuntimeError("A page is drawn inside of the frame; see show().")
    if of_data and open_data.source() == DEMO:
        row.badge("synthetic demo", icon=":material/experiment:", color="violet")
    return row


def attempt(action: Callable[..., Any], *args: Any, done: str | Callable[[Any], str] = "") -> None:
    """Do what a button is for and show how it went after the next rerun: a callback.

    Args:
        action: what the button does.
        args: its arguments.
        done: the sentence to show, or a function that makes it from what the action returned; an expected error shows
            its own.
    """
    try:
        result = action(*args)
        sentence = done if isinstance(done, str) else done(result)
    except NodescopeError as error:
        sentence = str(error)
    if sentence:
        st.session_state[state.NOTICE] = sentence


def dataset() -> Dataset:
    """Return the data set that the sidebar names. Raises :class:`DataError`."""
    with st.container():  # holds the place of what is shown while it loads, see predictor()
        return cache.dataset(open_data.source())


def predictor() -> Predictor:
    """Return the model that the sidebar names, loaded. Raises :class:`BundleError`."""
    # A spinner takes a place on the page the first time only. Without one of its own all that follows would move up the
    # next time, and while that run lasts what was there before would stand below it, grey.
    with st.container():
        return cache.predictor(bundle_path(), device())


def device() -> str:
    """Return the device that the sidebar names."""
    return str(st.session_state.get(state.DEVICE) or "auto")


def bundle_path() -> Path:
    """Return the file of the bundle that the sidebar names. Raises :class:`BundleError` if it is gone."""
    chosen = str(st.session_state.get(state.MODEL) or f"{_SHIPPED}{DEFAULT}")
    paths = bundles()
    if chosen not in paths:
        raise BundleError(f"The model {chosen!r} no longer exists. Choose another one in the sidebar.")
    return paths[chosen]


def bundles() -> dict[str, Path]:
    """Return the paths of all bundles by a name for :func:`bundle_label`: shipped, of finished runs, saved by hand."""
    shipped = {f"{_SHIPPED}{name}": path for name, path in SHIPPED.items()}
    runs = {run.name: run.bundle_path for run in list_runs() if run.bundle_path.is_file()}
    saved = {f"{_SAVED}{path.stem}": path for path in sorted(bundles_home().glob("*.safetensors"))}
    return {**shipped, **runs, **saved}


def shared() -> dict[str, str]:
    """Return the sidebar's choices as an address holds them, by their labels, for links to another page."""
    model = str(st.session_state.get(state.MODEL) or "")
    return {state.DATA: open_data.source(), **({state.MODEL: bundle_label(model)} if model else {})}


def bundle_label(name: str) -> str:
    """Return the label on screen of a name of :func:`bundles`."""
    if name.startswith(_SHIPPED):
        return _SHIPPED_LABELS[name.removeprefix(_SHIPPED)]
    if name.startswith(_SAVED):
        return f"Saved {name.removeprefix(_SAVED)}"
    try:
        title = find_run(name).title()
    except NodescopeError:
        title = name
    return f"Run {name}" if title == name else f"{title} · {name}"


def model_name(path: Path, card: Card) -> str:
    """Return what a model is called: by the name that people gave its run, else by that in its card."""
    run = Run(path.parent)
    title = run.title() if path == run.bundle_path else run.name
    return card.name if title == run.name else title


def _sidebar() -> DeltaGenerator:
    """Draw the sidebar; return the place below the data set, for what was left out of it."""
    with st.sidebar:
        st.markdown("### :material/biotech: Nodescope")
        open_data.choose()
        place = st.empty()
        _choose_model()
        _choose_device()
        sign_in.draw()
        st.caption(f":material/science: {RESEARCH_ONLY}")
    return place


def _choose_model() -> None:
    names = list(bundles())
    # A page asks for a model in this way because its button is drawn after the selectbox, when MODEL cannot be set.
    wanted = st.session_state.pop(state.WANTED_MODEL, None)
    given = st.query_params.get(state.MODEL, "")
    if wanted is None and state.MODEL not in st.session_state and given not in map(bundle_label, names):
        # The label in a link changes when somebody gives the run another name; its folder, at the end, does not.
        wanted = next((name for name in names if given.endswith(name)), None)
    if wanted in names:
        st.session_state[state.MODEL] = wanted
    st.selectbox(
        "Model",
        names,
        key=state.MODEL,
        bind="query-params",
        format_func=bundle_label,
        help="A model that comes with Nodescope, the model of a finished run, or one saved with another threshold. "
        "Evaluate and Predict use it. *Symmetric* gives a patch and its flipped or rotated copies exactly the same "
        "probability, and draws maps of larger images; *most accurate* is right more often.",
    )


def _choose_device() -> None:
    if len(choices := device_choices()) > 1:
        st.segmented_control("Device", choices, default="auto", key=state.DEVICE, bind="query-params", required=True)
    if problem := gpu_problem():
        st.caption(f":material/memory: {problem}")
    elif len(choices) == 1:
        cpu = torch.device("cpu")
        faster = ", OpenVINO" if chosen("", cpu) == OPENVINO else ""
        st.caption(f":material/memory: {describe_device(cpu)}{faster} (no GPU found)")
