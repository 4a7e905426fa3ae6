"""What is wrong with the patches of a data set, and what was left out of it."""

import pandas as pd
import streamlit as st

from core.data import Dataset
from pages._ui.browse import basket, check, quality


def draw(dataset: Dataset) -> None:
    """Draw the pack, the check, and what was left out."""
    quality.draw(dataset, check.found(dataset))
    if dataset.problems:
        with st.expander(f"{len(dataset.problems)} left out", icon=":material/warning:", expanded=True):
            listed = [(problem.name, problem.reason) for problem in dataset.problems[:500]]
            st.dataframe(pd.DataFrame(listed, columns=["what", "why"]), hide_index=True)
            basket.draw_excluded(dataset)
