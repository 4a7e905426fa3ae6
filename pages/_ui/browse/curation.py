"""Decisions about patches: label, exclude, confirm. Each is written to disk at once, with who and when, and undone."""

from collections.abc import Iterable, Mapping

import streamlit as st

from core.data import CLASS_NAMES, Dataset, Decision, apply_decisions, decide, decisions_of
from core.data.decisions import to_csv
from core.data.tags import change_tag, tags_of
from core.errors import NodescopeError
from pages._ui import layout, state, widgets
from pages._ui.browse import people, undo

DONE = {"relabel": "relabelled", "exclude": "excluded", "fine": "confirmed", "skip": "skipped"}


def label_words(label: int, both: tuple[int, int] | None) -> str:
    """Return the text of a label, 1, 0 or -1 for none; of a relabelled patch, see :func:`cache.relabelled`, of both."""
    if both is None:
        return widgets.label_name(label)
    given, decided = map(widgets.label_name, both)
    return f"{decided} by decision ({given} in the data)"


def buttons(dataset: Dataset, patch_id: str) -> None:
    """Draw the decisions that can be made about a patch, each with its key, and the one that was made."""
    decision = decisions_of(dataset.source).get(patch_id)
    choices = _choices(dataset, patch_id)
    who = f" by {decision.by}" if decision is not None and decision.by else ""
    st.markdown("**Your decision**" + ("" if decision is None else f": {undo.describe(decision)}{who}"))
    with st.container(horizontal=True):
        for text, icon, key, choice in choices:
            st.button(
                text, icon=f":material/{icon}:", key=f"decide-{text}-{patch_id}",
                type="primary" if decision == choice else "secondary",
                shortcut=key, on_click=change, args=(dataset.source, {patch_id: choice}),
            )  # fmt: skip
        if decision is not None:
            st.button("Revert", icon=":material/restart_alt:", key=f"decide-back-{patch_id}", on_click=change,
                      args=(dataset.source, {patch_id: None}),
                      help="Take back all that was decided about this patch.")  # fmt: skip
        undo.draw(dataset.source, key=f"of-{patch_id}", shortcut="U")
    people.draw()
    st.caption("Saved at once. Every page, and every training that starts from now on, uses it.")


def draw_counts(undecided: Dataset) -> None:
    """Draw how the decisions change the classes, and the file to export.

    Args:
        undecided: the data set as it is without any decision.
    """
    decisions = decisions_of(undecided.source)
    with st.container(border=True), st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        if decisions:
            _counts(undecided, decisions)
            widgets.export("Export decisions.csv", to_csv(decisions), "decisions.csv")
        else:
            st.caption("Nothing is decided yet. Click a patch to decide about it.")
    if decisions:
        st.caption(
            "Training, evaluation and every page use these decisions from now on. Runs that have started do not."
        )


def change(source: str, decisions: Mapping[str, Decision | None]) -> None:
    """Decide about patches, or take back what was decided about them (None): a callback."""
    changed(source, decisions)


def changed(source: str, decisions: Mapping[str, Decision | None]) -> bool:
    """Do what :func:`change` does, and return whether it could be written."""
    try:
        decide(source, decisions, by=people.name())
    except NodescopeError as error:
        layout.show_error(error)
        return False
    return True


def tag(source: str, ids: Iterable[str], name: str, *, on: bool) -> None:
    """Give patches a tag or take it from them, so that it can be undone: a callback."""
    try:
        had = set(tags_of(source).get(name.strip(), ()))
        changed = [each for each in ids if (each in had) != on]
        stored = change_tag(source, changed, name, on=on, by=people.name())
    except NodescopeError as error:
        layout.show_error(error)
        return
    count = widgets.counted(len(changed), "patch", "patches")
    st.session_state[state.NOTICE] = f"The tag {stored} was {'given to' if on else 'taken from'} {count}."
    st.session_state[state.TAG_MENU] = False


def _counts(undecided: Dataset, decisions: dict[str, Decision]) -> None:
    after = apply_decisions(undecided, decisions)
    before, now = undecided.class_counts(), after.class_counts()
    for label in (1, 0):
        st.markdown(f"{CLASS_NAMES[label].capitalize()} **{before[label]:,} → {now[label]:,}**", width="content")
    kinds: list[str] = [each.kind for each in decisions.values()]
    shown = [name for name in DONE if name != "skip" or "skip" in kinds]
    st.caption(" · ".join(f"{kinds.count(kind):,} {DONE[kind]}" for kind in shown), width="content")


def _choices(dataset: Dataset, patch_id: str) -> list[tuple[str, str, str, Decision]]:
    """Return text, icon, key and decision of each button; relabelling means the label that the data do not give."""
    table = dataset.base.table
    label = table.loc[table["id"] == patch_id, "label"].dropna()
    exclude = ("Exclude", "block", "E", Decision("exclude", reason="chosen while looking at it"))
    if not len(label):
        named = ((1, "Tumour", "T"), (0, "Normal", "N"))
        return [*((text, "label", key, Decision("relabel", number)) for number, text, key in named), exclude]
    other = 1 - int(label.iloc[0])
    relabel = (f"Relabel as {CLASS_NAMES[other]}", "swap_horiz", "L", Decision("relabel", other))
    return [relabel, exclude, ("Confirm label", "check", "F", Decision("fine"))]
