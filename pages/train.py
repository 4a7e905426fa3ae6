"""Train: start a run in a process of its own, watch it, stop it, go on with it."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.data import DEMO
from core.display import SERIES
from core.errors import NodescopeError
from core.evaluation import FIGURES
from core.prediction import load_bundle
from core.training import PRESETS, STATES, Run, Status, TrainingConfig, kill, launch, list_runs, start, stop
from pages._ui import frame, state, widgets

ICONS = {
    "starting": ":material/hourglass_top:",
    "running": ":material/play_circle:",
    "stopping": ":material/pause_circle:",
    "stopped": ":material/stop_circle:",
    "finished": ":material/check_circle:",
    "failed": ":material/error:",
    "lost": ":material/help:",
}
IMPATIENT_SECONDS = 20


def main() -> None:
    widgets.title("Train", dataset=frame.dataset() if frame.data_source() == DEMO else None)
    st.caption(
        "A run goes on in a process of its own: close the page or stop the app, and it is still here afterwards."
    )
    form, watch = st.columns([2, 5], gap="large")
    with form:
        _form()
    with watch:
        _watch()


def _form() -> None:
    st.subheader("New run", anchor=False)
    name = st.selectbox(
        "Preset", list(PRESETS), format_func=lambda key: PRESETS[key].label, key="preset", persist_state="session",
        help="A named set of settings to start from.",
    )  # fmt: skip
    chosen = PRESETS[name]
    st.caption(chosen.help)
    config = chosen.config
    with st.form("new-run", border=False):
        epochs = st.number_input(
            "Epochs", 1, 10_000, config.epochs, key=f"epochs-{name}", help="How often every training patch is seen."
        )
        with st.expander("More settings"):
            batch = st.number_input(
                "Batch size", 2, 4096, config.batch_size, key=f"batch-{name}",
                help="Patches in one step. More needs more memory; fewer makes noisier steps.",
            )  # fmt: skip
            rate = st.number_input(
                "Learning rate", 1e-6, 1.0, config.learning_rate, format="%.5f", step=1e-4, key=f"rate-{name}",
                help="How far one step goes. Too high and the loss jumps, too low and nothing moves.",
            )  # fmt: skip
            patience = st.number_input(
                "Patience", 0, 1000, config.patience, key=f"patience-{name}",
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
        wanted = st.form_submit_button("Start training", type="primary", icon=":material/play_arrow:")
    if wanted:
        _start(
            config.with_changes(
                data=(str(Path(frame.data_source()).resolve()) if frame.data_source() != DEMO else DEMO,),
                device=frame.device(),
                epochs=int(epochs),
                batch_size=int(batch),
                learning_rate=float(rate),
                patience=int(patience),
                pretrained=pretrained.strip() or "none",
                seed=int(seed),
            )
        )


def _start(config: TrainingConfig) -> None:
    frame.dataset()  # says what is wrong with the folder before a run is made for it
    run = start(config)
    st.session_state[state.RUN] = run.name
    st.session_state[state.NOTICE] = f"Started {run.name}"
    st.rerun()


def _watch() -> None:
    runs = list_runs()
    st.subheader("Runs", anchor=False)
    if not runs:
        st.info(
            "No run yet. Press **Start training**: with the preset “Quick look” the synthetic demo set takes about two "
            "minutes on a laptop, and you see the curves grow here.",
            icon=":material/model_training:",
        )
        return
    names = [run.name for run in runs]
    if st.session_state.get(state.RUN) not in names:
        st.session_state[state.RUN] = names[0]
    states = {run.name: _status(run).state for run in runs}
    name = st.selectbox(
        "Run", names, key=state.RUN, bind="query-params", format_func=lambda name: f"{name} · {states[name]}"
    )
    run = runs[names.index(name)]
    status = _status(run)
    # The page asks the disk every second only while something works on the run.
    st.fragment(_panel, run_every=1.0 if status.is_active else None)(run, status.state)


def _status(run: Run) -> Status:
    try:
        return run.status()
    except NodescopeError as error:
        return Status(state="failed", message=str(error))


def _panel(run: Run, state_on_page: str) -> None:
    status = _status(run)
    if status.state != state_on_page:
        st.rerun()
    st.markdown(f"{ICONS[status.state]} **{STATES[status.state]}**" + (f" · {status.stage}" if status.stage else ""))
    if status.message and status.state in ("failed", "stopped"):
        (st.error if status.state == "failed" else st.info)(status.message)
    if status.state == "lost":
        st.warning(
            "The process of this run is gone, perhaps killed or after a restart. Resume goes on from the last "
            "checkpoint."
        )
    if status.is_active or status.progress:
        st.progress(min(status.progress, 1.0), text=_progress_text(status))
    _buttons(run, status)
    if status.state == "finished":
        _result(run)
    _curves(run)
    _facts(run, status)


def _progress_text(status: Status) -> str:
    parts = [f"Epoch {status.epoch} of {status.epochs}", f"step {status.step:,} of {status.steps:,}"]
    if status.is_active and status.seconds_left is not None:
        parts.append(f"about {_duration(status.seconds_left)} left")
    if status.patches_per_second is not None:
        parts.append(f"{status.patches_per_second:,.0f} patches/s")
    return " · ".join([*parts, status.device]) if status.steps else "Getting ready"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return (
        f"{round(seconds / 60)} min" if seconds < 5400 else str(timedelta(seconds=round(seconds / 60) * 60))[:-3] + " h"
    )


def _buttons(run: Run, status: Status) -> None:
    with st.container(horizontal=True):
        if status.state in ("starting", "running"):
            st.button(
                "Stop", icon=":material/stop:", on_click=_attempt, args=(stop, run), help="Finish the step, save, end"
            )
        if status.state == "stopping" and time.time() - status.updated > IMPATIENT_SECONDS:
            st.button("End it now", icon=":material/dangerous:", on_click=_attempt, args=(kill, run),
                      help="It does not answer. It can be resumed from its last checkpoint.")  # fmt: skip
        if status.state in ("stopped", "failed", "lost"):
            st.button("Resume", icon=":material/resume:", type="primary", on_click=_attempt, args=(launch, run),
                      help="Go on from the last checkpoint")  # fmt: skip
        if status.state == "finished":
            st.button("Use this model", icon=":material/check:", type="primary", on_click=_use, args=(run,),
                      help="Evaluate and Predict take this run's model from now on")  # fmt: skip


def _attempt(action: Callable[[Run], None], run: Run) -> None:
    try:
        action(run)
    except NodescopeError as error:
        st.session_state[state.NOTICE] = str(error)


def _use(run: Run) -> None:
    st.session_state[state.MODEL] = run.name
    st.session_state[state.NOTICE] = f"Evaluate and Predict now use {run.name}"


def _result(run: Run) -> None:
    try:
        card = load_bundle(run.bundle_path).card
    except NodescopeError as error:
        frame.show_error(error)
        return
    for measurement in card.measured:
        if measurement.part != "test":
            continue
        figures = measurement.evaluation.figures
        with st.container(border=True):
            st.markdown(
                f"**{measurement.data}**, test patches that the run never saw · n = {measurement.evaluation.n:,}"
            )
            for column, name in zip(st.columns(4), ("auc", "accuracy", "sensitivity", "specificity"), strict=True):
                each = figures[name]
                column.metric(FIGURES[name].label, f"{each.value:.3f}", help=FIGURES[name].help)
                column.caption(f"{each.low:.3f} – {each.high:.3f}")


def _curves(run: Run) -> None:
    metrics = run.metrics()
    if metrics.empty:
        st.caption("The curves begin after the first epoch.")
        return
    best = metrics.loc[metrics["valid_auc"].idxmax()]
    left, right = st.columns(2)
    left.plotly_chart(
        _figure(metrics, {"train_loss": "training", "valid_loss": "validation"}, "Loss"),
        config=widgets.CHART, key="loss", alt="Loss by epoch",
    )  # fmt: skip
    right.plotly_chart(
        _figure(metrics, {"valid_auc": "AUC", "valid_accuracy": "accuracy"}, "Validation", best=best),
        config=widgets.CHART, key="auc", alt="Validation AUC and accuracy by epoch",
    )  # fmt: skip
    st.caption(
        f"Best validation AUC {best['valid_auc']:.4f} in epoch {int(best['epoch'])}, accuracy there "
        f"{best['valid_accuracy']:.1%}. Validation patches choose the epoch, so these are slightly optimistic; the "
        "figures on test patches come when the run is finished."
        if not run.bundle_path.exists()
        else f"Best validation AUC {best['valid_auc']:.4f} in epoch {int(best['epoch'])}."
    )


def _figure(metrics: pd.DataFrame, columns: dict[str, str], title: str, best: pd.Series | None = None) -> go.Figure:
    figure = go.Figure()
    for (column, label), colour in zip(columns.items(), SERIES, strict=False):
        figure.add_scatter(
            x=metrics["epoch"], y=metrics[column], name=label, mode="lines+markers", line={"color": colour, "width": 2},
            marker={"size": 5}, hovertemplate=f"epoch %{{x}}: {label} %{{y:.4f}}<extra></extra>",
        )  # fmt: skip
    if best is not None:
        figure.add_scatter(
            x=[best["epoch"]], y=[best["valid_auc"]], mode="markers", name="best",
            marker={"symbol": "star", "size": 13, "color": SERIES[0]},
        )  # fmt: skip
    figure.update_layout(
        title={"text": title, "font": {"size": 14}}, height=280, margin={"l": 0, "r": 8, "t": 36, "b": 0},
        legend={"orientation": "h", "y": 1.12, "x": 1, "xanchor": "right"}, hovermode="x", uirevision=title,
    )  # fmt: skip
    figure.update_xaxes(title="epoch", tickformat="d", dtick=max(1, len(metrics) // 10))
    return figure


def _facts(run: Run, status: Status) -> None:
    with st.expander("Log"):
        st.code(run.log_tail() or "Nothing yet.", language=None, wrap_lines=True)
    with st.expander("Settings"):
        config = run.config().to_json()
        flat = {**config, **config.pop("augmentation")}
        rows = [
            (name, ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value))
            for name, value in flat.items()
        ]
        st.dataframe(pd.DataFrame(rows, columns=["setting", "value"]), hide_index=True)
        st.caption(f"Folder: {run.path}")
        if status.updated:
            st.caption(f"Last word: {datetime.fromtimestamp(status.updated):%Y-%m-%d %H:%M:%S}")


frame.show(main)
