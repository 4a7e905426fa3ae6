"""The app without a browser, and what a person does with it."""

from pathlib import Path
from typing import Any

import numpy as np
from streamlit.testing.v1 import AppTest

from core.data import open_demo
from core.runs import Run, Status, TrainingConfig, create_run
from core.storage.home import runs_home

ROOT = Path(__file__).resolve().parents[2]


ROWS = [
    {"epoch": epoch, "train_loss": 0.5, "valid_loss": 0.4, "valid_auc": auc, "valid_accuracy": 0.8,
     "learning_rate": 1e-3}
    for epoch, auc in ((1, 0.7), (2, 0.9), (3, 0.8))
]  # fmt: skip
"""Of the metrics of a run of three epochs."""


class Page(AppTest):
    """The app from its entry point; ``run()`` shows Browse.

    What the methods below do must not raise: each draws the page again and looks for an exception on it.

    Example:
        >>> page = Page().open("train", runs_view="New run")
        >>> page.click("Start training")
    """

    def __init__(self) -> None:
        super().__init__(ROOT / "streamlit_app.py", default_timeout=120)

    def open(self, name: str = "browse", **query: Any) -> "Page":
        """Show a page of the app, with these values in its address; a folder among them is opened."""
        self.query_params.update(query)
        self.run()
        if "Open folder" in self.labels():
            self.click("Open folder")
        if name != "browse":
            self.switch_page(f"pages/{name}.py").run()
        return self._whole()

    def words(self) -> str:
        """Return all sentences on the page, a line each."""
        texts = (self.header, self.subheader, self.markdown, self.caption)
        notices = (self.info, self.success, self.warning, self.error)
        return "\n".join(str(element.value) for kind in (*texts, *notices) for element in kind)

    def labels(self, kind: str = "button") -> list[str]:
        """Return the labels of all elements of a kind, but for the button that opens a folder, which is everywhere."""
        return [each.label for each in getattr(self, kind) if each.key != "open-folder"]

    def metrics(self) -> dict[str, str]:
        """Return the large numbers of the page by their labels."""
        return {each.label: each.value for each in self.metric}

    def one(self, kind: str, label: str) -> Any:
        """Return the first element of a kind with this label."""
        return next(each for each in getattr(self, kind) if each.label == label)

    def click(self, label: str) -> "Page":
        """Click the first button with this label."""
        self.one("button", label).click().run()
        return self._whole()

    def pick(self, option: str) -> "Page":
        """Choose from the menu of the page."""
        menu = self.menu_button[0]
        menu.click_index(next(at for at, label in enumerate(menu.options) if label.endswith(option))).run()
        return self._whole()

    def set(self, key: str, value: Any) -> "Page":
        """Give the widget with this key a value."""
        self.get_by_key(key).set_value(value).run()
        return self._whole()

    def _whole(self) -> "Page":
        assert not self.exception, self.exception[0]
        return self


def run_in(state: str, **values: Any) -> Run:
    """Make a run in a state; `values` are of its status."""
    run = create_run(TrainingConfig(epochs=4), runs_home() / f"a-{state}-run")
    run.write_status(Status(state=state, epochs=4, steps=40, **{"updated": 1.0, **values}))
    return run


def region(*, rows: int = 2, columns: int = 3) -> np.ndarray:
    """Demo patches side by side, with 5 pixels of glass around them."""
    patches = open_demo().store.load(range(rows * columns)).pixels
    lines = [np.concatenate(patches[row * columns : (row + 1) * columns], axis=1) for row in range(rows)]
    return np.pad(np.concatenate(lines), ((5, 5), (5, 5), (0, 0)), constant_values=240)
