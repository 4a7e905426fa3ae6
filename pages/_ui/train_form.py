"""Train: the form for a new run, filled from a preset or from an earlier run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from core.data import DEMO
from core.errors import NodescopeError
from core.training import PRESETS, TrainingConfig, find_run, start
from core.training.batches import BALANCES
from pages._ui import frame, state


def show() -> None:
    """Draw the form and start the run that it asks for."""
    st.subheader("New run", anchor=False)
    name, config = _origin()
    with st.form("new-run", border=False, enter_to_submit=False):
        changes = _fields(name, config)
        wanted = st.form_submit_button("Start training", type="primary", icon=":material/play_arrow:")
    if wanted:
        _start(config.with_changes(**changes))


def duplicate(run_name: str) -> None:
    """Fill the form from a run's settings: a callback."""
    st.session_state[state.DUPLICATED] = run_name
    st.session_state[state.NOTICE] = f"The form now holds the settings of {run_name}"


def _origin() -> tuple[str, TrainingConfig]:
    """Return what the form starts from: the key of its widgets and the settings."""
    copied = st.session_state.get(state.DUPLICATED)
    if copied is not None:
        try:
            config = find_run(copied).config()
        except NodescopeError:
            st.session_state[state.DUPLICATED] = None  # it was deleted since; the presets are still there
        else:
            st.caption(
                f":material/content_copy: Settings of **{copied}** ({config.model}), on the same data: "
                + ", ".join(config.data)
            )
            st.button("Back to presets", icon=":material/undo:", on_click=_forget_duplicate)
            return f"copy-{copied}", config
    name = st.selectbox(
        "Preset", list(PRESETS), format_func=lambda key: PRESETS[key].label, key="preset", persist_state="session",
        help="A named set of settings to start from.",
    )  # fmt: skip
    st.caption(PRESETS[name].help)
    data = DEMO if frame.data_source() == DEMO else str(Path(frame.data_source()).resolve())
    return name, PRESETS[name].config.with_changes(data=(data,), device=frame.device())


def _forget_duplicate() -> None:
    st.session_state[state.DUPLICATED] = None


def _fields(name: str, config: TrainingConfig) -> dict[str, Any]:
    """Draw the fields and return what they hold."""
    epochs = st.number_input(
        "Epochs", 1, 10_000, config.epochs, key=f"epochs-{name}", help="How often every training patch is seen."
    )
    with st.expander("More settings"):
        batch = st.number_input(
            "Batch size", 2, 65_536, config.batch_size, key=f"batch-{name}",
            help="Patches in one step. More needs more memory; fewer makes noisier steps.",
        )  # fmt: skip
        rate = st.number_input(
            "Learning rate", 1e-8, 10.0, config.learning_rate, format="%.5f", step=1e-4, key=f"rate-{name}",
            help="How far one step goes. Too high and the loss jumps, too low and nothing moves.",
        )  # fmt: skip
        patience = st.number_input(
            "Patience", 0, 10_000, config.patience, key=f"patience-{name}",
            help="End early after so many epochs without a better validation AUC; 0 never does.",
        )  # fmt: skip
        pretrained = st.text_input(
            "Starting weights", config.pretrained, key=f"pretrained-{name}",
            help='"none" for random ones, "imagenet" for published ones, or the path of a file.',
        )  # fmt: skip
        seed = st.number_input(
            "Seed", 0, 2**31 - 1, config.seed, key=f"seed-{name}",
            help="The same seed on the same computer gives the same run.",
        )  # fmt: skip
        st.markdown("**Expert**")
        balance = st.selectbox(
            "Balance of the classes", BALANCES, BALANCES.index(config.balance), key=f"balance-{name}",
            help="Where one class is rare: let both count the same in the loss (weights), or draw as many patches of "
            "each (sampling).",
        )  # fmt: skip
        clip = st.number_input(
            "Gradient clipping", 0.0, 1e6, float(config.clip), key=f"clip-{name}",
            help="Steps with a longer gradient are shortened to this norm; 0 never does. Helps where the loss jumps.",
        )  # fmt: skip
        frozen = st.number_input(
            "Frozen epochs", 0, 10_000, config.frozen_epochs, key=f"frozen-{name}",
            help="So many epochs train the last layer alone; then the whole network. For networks with published "
            "weights.",
        )  # fmt: skip
        changed = config.augmentation
        blur = st.number_input(
            "Blur", 0.0, 2.0, float(changed.blur), step=0.1, key=f"blur-{name}",
            help="Largest blur of a training patch, in pixels, as if it were a little out of focus.",
        )  # fmt: skip
        cutout = st.number_input(
            "Cutout", 0.0, 1.0, float(changed.cutout), step=0.1, key=f"cutout-{name}",
            help="Share of training patches that lose a square of the rim. The centre always stays.",
        )  # fmt: skip
    return {
        "balance": balance,
        "clip": float(clip),
        "frozen_epochs": int(frozen),
        "augmentation": replace(changed, blur=float(blur), cutout=float(cutout)),
        "epochs": int(epochs),
        "batch_size": int(batch),
        "learning_rate": float(rate),
        "patience": int(patience),
        "pretrained": pretrained.strip() or "none",
        "seed": int(seed),
    }


def _start(config: TrainingConfig) -> None:
    frame.dataset()  # says what is wrong with the folder before a run is made for it
    run = start(config)
    st.session_state[state.DUPLICATED] = None
    st.session_state[state.RUN] = run.name
    st.session_state[state.NOTICE] = f"Started {run.name}"
    st.rerun()
