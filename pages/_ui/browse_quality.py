"""What is wrong with the patches of a data set, and what was left out of it."""

import pandas as pd
import streamlit as st

from core.data import Dataset
from pages._ui import browse_basket, browse_checked, browse_tools


def draw(dataset: Dataset) -> None:
    """Draw the pack, the check, and what was left out."""
    browse_tools.draw(dataset, browse_checked.found(dataset))
    if dataset.problems:
        with st.expander(f"{len(dataset.problems)} left out", icon=":material/warning:", expanded=True):
            listed = [(problem.name, problem.reason) for problem in dataset.problems[:500]]
            st.dataframe(pd.DataFrame(listed, columns=["what", "why"]), hide_index=True)
            browse_basket.draw_excluded(dataset)
