"""Predict: whether a patch stands in a data set: its label, its split, and whether the model was trained on it."""

from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from core.data import Dataset
from core.data.lookup import pixel_digests, row_of
from core.data.quality import check_path
from core.errors import NodescopeError
from core.prediction import Predictor
from core.runs import open_run
from pages._ui import cache, layout, open_data, widgets
from pages._ui.browse import model
from pages._ui.browse.columns import fixed
from pages._ui.predict.upload import Chosen, from_row


@dataclass(frozen=True)
class Origin:
    """Where a patch was found: the data set and its row there."""

    dataset: Dataset
    row: int


def recognised(chosen: Chosen) -> tuple[Chosen, Origin | None]:
    """Return the patch with its label, and where it was found; unchanged and None where no data set has its pixels."""
    for position, source in enumerate((open_data.source(), *_trained_on())):
        try:
            dataset = cache.dataset(source)
            row = chosen.row if chosen.row >= 0 else _row(dataset, chosen.decoded.pixels)
            if row is None:
                continue
            known = from_row(dataset, row)
        except NodescopeError:  # a data set that cannot be read recognises nothing; Browse says why
            continue
        # Only a row of the open data set is kept: the page looks for similar patches there.
        return replace(chosen, label=known.label, label_words=known.label_words,
                       row=-1 if position else row), Origin(dataset, row)  # fmt: skip
    return chosen, None


def draw(predictor: Predictor, chosen: Chosen, origin: Origin | None) -> None:
    """Draw what is known of where the patch comes from; nothing where it was not found."""
    if origin is None:
        return
    dataset, row = origin.dataset, origin.row
    known = fixed(dataset)
    name = str(dataset.table["id"].iloc[row])
    parts = [
        f"**{widgets.escaped(name)}** of {widgets.escaped(dataset.name)}",
        *known.origin(row),
    ]
    if known.label[row] >= 0:
        parts.append(f"{known.split_names[known.split[row]]} split")
    start = "" if name == chosen.name else "These pixels are "
    st.caption(f":material/fingerprint: {start}{' · '.join(parts)}")
    model.draw_used(predictor, dataset, row)


def _row(dataset: Dataset, pixels: np.ndarray) -> int | None:
    key = (*cache.key_of(dataset), cache.file_stamp(check_path(dataset.source)))
    digests = cache.recall("digests", key, lambda: pixel_digests(dataset), doing="Comparing with the data set …")
    return None if digests is None else row_of(dataset, digests, pixels)


def _trained_on() -> list[str]:
    """Return the data sets that the chosen model was trained on, where it is that of a run."""
    try:
        data = open_run(layout.bundle_path().parent).config().data
    except NodescopeError:  # it comes with Nodescope or was saved by hand
        return []
    return [source for source in data if source != open_data.source()]
