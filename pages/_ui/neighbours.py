"""Labelled patches that are similar to one patch in the eyes of a model, as Browse, Evaluate and Predict show them."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import streamlit as st

from core.data import Dataset
from core.display import enlarge, outlined, to_png
from core.features.neighbours import index_path, most_like
from core.job import Job
from core.prediction import Predictor
from pages._ui import jobs, layout, results, widgets

COUNT = 5


def draw(
    predictor: Predictor,
    dataset: Dataset,
    pixels: npt.NDArray[np.uint8],
    row: int,
    *,
    label_of: Callable[[int], int] | None = None,
    open_row: Callable[[int], None] | None = None,
) -> None:
    """Draw the most similar labelled patches; before their features were read, the button that starts that.

    Args:
        predictor: the model of the sidebar.
        dataset: the patches to search.
        pixels: uint8 96×96×3, the patch.
        row: its own row in the data set, which is not searched, or -1.
        label_of: the label to show for a row; the one of the data set by default.
        open_row: called with the row of a patch whose button is clicked; without it there are no buttons.
    """
    index = results.index(predictor, dataset)
    if index is None:
        job = Job(index_path(dataset, predictor.bundle).with_suffix(".job"))
        command = ["neighbours", "--data", dataset.source, "--bundle", str(layout.bundle_path()),
                   "--device", layout.device()]  # fmt: skip
        if not job.status().is_active:
            st.caption(
                "Similar patches are found among the features of the labelled ones, which are read once for each model "
                "and data set, in the background."
            )
        jobs.draw(job, command, label="Find similar patches", doing="Reading features", icon="image_search")
        return
    found = most_like(predictor, index, pixels, count=COUNT, exclude=row)
    label_of = label_of or (lambda at: int(dataset.table["label"].iloc[at]))
    labels = [label_of(each.row) for each in found]
    shown = dataset.store.load([each.row for each in found]).pixels
    for column, each, label, picture in zip(st.columns(len(found)), found, labels, shown, strict=True):
        name = widgets.label_name(label)
        column.image(
            to_png(outlined(enlarge(picture, 2), label, widgets.background())), width="stretch", alt=f"{name} patch"
        )
        column.caption(f"**{name}** · {each.similarity:.2f}")
        if open_row is not None:
            column.button("Open", key=f"alike-{each.row}", on_click=open_row, args=(each.row,), width="stretch")
    st.caption(
        f"{labels.count(1)} of {len(found)} are tumour. The number is the cosine similarity of the features in the "
        f"network's last layer. Searched: {len(index.rows):,} patches, {index.description}."
    )
