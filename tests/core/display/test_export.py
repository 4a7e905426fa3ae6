import io
import zipfile
from dataclasses import replace

import numpy as np
from PIL import Image

from core.data import Dataset
from core.display.export import NOTE, patches_csv, patches_zip


def test_a_zip_holds_each_patch_without_loss_and_the_table(small_demo: Dataset) -> None:
    rows = [5, 2]
    with zipfile.ZipFile(io.BytesIO(patches_zip(small_demo, rows))) as archive:
        ids = [small_demo.table["id"].iloc[row] for row in rows]
        assert set(archive.namelist()) == {"README.txt", "patches.csv", *(f"{name}.png" for name in ids)}
        for name, row in zip(ids, rows, strict=True):
            pixels = np.asarray(Image.open(io.BytesIO(archive.read(f"{name}.png"))))
            np.testing.assert_array_equal(pixels, small_demo.store.load([row]).pixels[0])
        assert archive.read("README.txt").decode() == NOTE
        assert archive.read("patches.csv").decode() == patches_csv(small_demo, rows)


def test_the_table_names_class_and_slide_and_holds_no_formula(small_demo: Dataset) -> None:
    table = small_demo.table.copy()
    table["id"] = table["id"].where(table.index != 0, "=1+1")
    lines = patches_csv(replace(small_demo, table=table), [0, 1]).splitlines()
    entry = table.iloc[1]
    name = "tumour" if entry["label"] else "normal"
    assert lines[0] == "id,label,class,split,slide"
    assert lines[1].startswith("'=1+1,")
    assert lines[2] == f"{entry['id']},{entry['label']},{name},{entry['split']},{entry['slide']}"
