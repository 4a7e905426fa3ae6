"""The page Slides without a browser: the folder, its table, the queue, and what the routes answer."""

import io
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.bundle import load_bundle
from core.bundle.shipped import DEFAULT, SHIPPED
from core.data import Dataset
from core.job import JobStatus
from core.slides.analyse import SlideJob
from core.slides.folders import Results
from core.slides.geojson import to_geojson
from core.slides.outlines import Annotation
from core.slides.reader import Slide
from core.slides.slide_map import SlideMap
from core.slides.tiles import tile
from pages._ui import state, widgets
from pages._ui.slides import opened, table
from pages._ui.slides.opened import Opened, open_token, tile_of
from pages._ui.slides.routes import routes
from tests.pages.driver import Page

DPI = 25_400 / 0.97
SQUARE = np.array([[96.0, 96.0], [224.0, 96.0], [224.0, 224.0], [96.0, 224.0]])


@pytest.fixture
def folder(tmp_path: Path, small_demo: Dataset) -> Path:
    """Two slides, one of which does not say how large a pixel is, and a file that is none."""
    pixels = np.full((400, 500, 3), 244, np.uint8)
    pixels[96:288, 96:288] = np.tile(small_demo.store.load(np.arange(1)).pixels[0], (2, 2, 1))
    place = tmp_path / "slides"
    place.mkdir()
    Image.fromarray(pixels).save(place / "a.png", dpi=(DPI, DPI))
    Image.fromarray(pixels).save(place / "b.png")
    (place / "c.svs").write_text("no slide")
    return place


@pytest.fixture
def results(folder: Path, fresh_home: Path) -> Results:
    """Those of a.png: a map of 10×13 cells with one focus."""
    found = Results.of(folder.resolve(), bundle=load_bundle(SHIPPED[DEFAULT]).digest, step=32)
    place = found.folder(folder / "a.png")
    place.mkdir(parents=True)
    probability = np.full((10, 13), np.nan, np.float16)
    probability[2:8, 2:8] = 0.01
    probability[2:6, 2:6] = 0.999
    SlideMap(probability, (32.0, 32.0), 32.0, 0.97, "d", probability, 36, 0, 0, 0.0, "k").save(place)
    (place / "areas.geojson").write_text(to_geojson([Annotation("Tumor", ((SQUARE,),))]))
    (place / "foci.csv").write_text("x,y,probability,area_mm2,longest_mm\n144,144,0.999,0.0154,0.17\n")
    summary = {
        "slide": "a.png", "tissue_mm2": 0.03, "tumour_mm2": 0.02, "tumour_share": 0.44, "foci": 1, "longest_mm": 0.17,
        "longest_class": "ITC", "highest_probability": 0.999, "ood_share": 0.0, "threshold": 0.5, "notes": ["A note."],
        "width": 500, "height": 400, "mpp": 0.97, "step": 32, "peak_threshold": 0.5, "least_mm2": 0.0075,
    }  # fmt: skip
    (place / "summary.json").write_text(json.dumps(summary))
    return found


def _open(app: Page, folder: Path, **query: str) -> Page:
    app.query_params.update({state.SLIDES: str(folder), **query})
    app.run()
    return app.switch_page("pages/slides.py").run()._whole()


def test_an_empty_page_says_what_could_be_there(app: Page, quiet_demo: Path) -> None:
    app.open("slides")
    assert "Choose a folder with whole slides" in app.words()


def test_a_link_to_a_folder_asks_before_anything_in_it_is_read(app: Page, quiet_demo: Path, folder: Path) -> None:
    _open(app, folder)
    assert "Open it if you trust the link" in app.words()
    assert not app.dataframe
    app.click("Open folder")
    shown = app.dataframe[0].value
    assert shown["slide"].tolist() == ["a.png", "b.png", "c.svs"]
    assert shown["state"].tolist() == ["not predicted", "no scale", "unreadable"]
    assert shown["mpp"].iloc[0] == pytest.approx(0.97, abs=1e-3)
    assert shown["note"].iloc[1] == "b.png does not say how many µm a pixel is wide. Click the slide and give it there."


def test_what_matters_of_a_slide_fits_a_window_of_1024_pixels_and_the_page_says_where_the_rest_is(
    app: Page, quiet_demo: Path, folder: Path, results: Results
) -> None:
    _open(app, folder)
    shown = list(table.COLUMNS)
    assert app.dataframe[0].proto.column_order == shown
    assert {"state", "tumour_share", "foci", "longest", "note"} < set(shown[:7])
    assert (
        sum(table.COLUMNS[name]["width"] for name in shown[:7]) + widgets.NUMBERS <= 682
    )  # the width beside the sidebar
    assert "Scroll the table sideways for tissue, pixels, µm/px and OOD." in app.words()


def test_a_long_name_is_shown_in_pieces_and_stays_one(app: Page, quiet_demo: Path, folder: Path) -> None:
    name = "patient_017_node_4_overview.png"
    (folder / "b.png").rename(folder / name)
    _open(app, folder).click("Open folder")
    shown = app.dataframe[0].proto.arrow_data.styler.display_values
    assert name in app.dataframe[0].value["slide"].tolist()
    assert b"patient_017_ node_4_ overview.png" in shown
    assert b"patient_017_node_4_ overview.png does not say" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a.png", "a.png"), ("a_b-c.d", "a_b-c.d"), ("one word", "one word"), ("", ""), (None, ""),
     ("abcdefghijklmnopqrst", "abcdefghijklmnopqrst"), ("TCGA-A7-A0CE-01Z.svs", "TCGA-A7-A0CE- 01Z.svs"),
     ("no abcdefghij_klmnop here", "no abcdefghij_ klmnop here")],
)  # fmt: skip
def test_long_words_of_a_table_may_break_after_signs(text: str | None, shown: str) -> None:
    assert widgets.breakable(text, 14) == shown


def test_a_folder_that_was_opened_opens_again_by_its_link(app: Page, quiet_demo: Path, folder: Path) -> None:
    _open(app, folder).click("Open folder")
    _open(Page(), folder, **{state.SLIDE_NAME: "gone.svs"})
    again = _open(Page(), folder, **{state.SLIDE_NAME: "gone.svs"})
    assert len(again.dataframe[0].value) == 3
    assert "There is no slide gone" in again.words()


def test_a_typed_folder_is_opened_and_a_wrong_one_is_said(app: Page, quiet_demo: Path, folder: Path) -> None:
    app.open("slides")
    app.set(state.SLIDES, str(folder / "gone"))
    assert "There is no folder" in app.words()
    app.set(state.SLIDES, str(folder))
    assert len(app.dataframe[0].value) == 3


def test_all_slides_that_can_be_are_predicted_in_one_queue(
    app: Page, quiet_demo: Path, folder: Path, launched: list[list[str]]
) -> None:
    _open(app, folder).click("Open folder")
    app.click("Predict all")
    (command,) = launched
    assert command[:2] == ["slide", str(folder / "a.png")]
    assert command[command.index("--step") + 1] == "32"
    assert "Predicting slides" in app.words() or app.get("progress")


def test_slides_are_predicted_at_the_same_time_where_there_are_cores(
    app: Page, quiet_demo: Path, folder: Path, launched: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.cluster.local.cores", lambda: 4)
    shutil.copyfile(folder / "a.png", folder / "d.png")
    _open(app, folder).click("Open folder")
    app.set(state.SLIDES_AT_ONCE, 5)
    assert "Slides at the same time must be 1 to 4, got 5\\." in app.words()
    assert app.one("button", "Predict all").disabled
    app.set(state.SLIDES_AT_ONCE, 2)
    app.click("Predict all")
    assert launched[0][-2:] == ["--workers", "2"]


def test_the_row_of_a_slide_says_how_far_it_is(
    app: Page, quiet_demo: Path, folder: Path, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = {folder / "a.png": ("83%", ""), folder / "b.png": ("waiting", ""), folder / "c.svs": ("", "")}
    monkeypatch.setattr(Results, "states", lambda _, slides: {each: states[each] for each in slides})
    _open(app, folder)
    assert app.dataframe[0].value["state"].tolist() == ["predicting 83%", "waiting", "unreadable"]


def test_a_scale_that_nobody_knows_is_asked_for_and_kept(app: Page, quiet_demo: Path, folder: Path) -> None:
    _open(app, folder, **{state.SLIDE_NAME: "b.png"}).click("Open folder")
    assert "does not say how many µm a pixel is wide. Give it here: about 0.25" in app.words()
    app.set(f"{state.SLIDE_MPP}-b.png", 0.97)
    app.click("Use it")
    assert "does not say how many µm" not in app.words()
    app.click("Slides")
    assert app.dataframe[0].value["mpp"].iloc[1] == pytest.approx(0.97)


def test_a_predicted_slide_shows_its_measures_and_foci(
    app: Page, quiet_demo: Path, folder: Path, results: Results
) -> None:
    _open(app, folder, **{state.SLIDE_NAME: "a.png"})  # it was opened before: there are results
    assert "tissue 0.0 mm² · tumour 0.02 mm² (44.0%) · 1 focus" in app.words()
    assert "A note." in app.words()
    assert "OpenSeadragon, a script of 0.3 MB that is not here yet" in app.words()
    foci = app.dataframe[0].value
    assert foci["probability"].tolist() == [pytest.approx(0.999, abs=1e-3)]
    app.session_state[f"{state.SLIDE_FOCI}-a.png"] = {"selection": {"rows": [], "columns": [], "cells": [(0, "area")]}}
    app.run()  # without OpenSeadragon nothing moves, but the focus opens its patch
    assert "Patch around" in app.words()
    assert foci["area"].iloc[0] == pytest.approx(16 * (32 * 0.97e-3) ** 2, rel=1e-6)


def test_the_patch_behind_a_click_is_that_of_its_cell(
    app: Page, quiet_demo: Path, folder: Path, results: Results
) -> None:
    # Cell (2, 3) covers 128 to 160 across and 96 to 128 down; its patch begins at 96, 64.
    _open(app, folder, **{state.SLIDE_NAME: "a.png", state.SLIDE_PATCH: "140,100"})
    assert "Patch around 140, 100 (level-0 pixels)" in app.words()
    assert "Verdict:" in app.words()
    assert "areas begin at" in app.words()
    app.click("Back to the foci")
    assert "Patch around" not in app.words()
    app.click("Next slide")
    assert [each.value for each in app.subheader] == ["b.png"]
    app.click("Slides")
    assert not {state.SLIDE_NAME, state.SLIDE_PATCH} & set(app.query_params)


def test_a_place_that_is_not_on_the_slide_opens_nothing(app: Page, quiet_demo: Path, folder: Path) -> None:
    _open(app, folder, **{state.SLIDE_NAME: "a.png", state.SLIDE_PATCH: "99999,100"})
    assert not app.exception
    assert "Patch around" not in app.words()


def test_the_folder_is_found_by_walking_to_it(app: Page, quiet_demo: Path, folder: Path) -> None:
    app.open("slides")
    app.session_state[state.SLIDE_WALK] = str(folder)
    app.click("Look for it")
    assert "3 slides" in app.words()
    assert app.get_by_key("open-slides").label == "Open"


def test_the_cohort_has_totals_and_says_what_failed(
    app: Page, quiet_demo: Path, folder: Path, results: Results
) -> None:
    job = SlideJob.of(results.folder(folder / "c.svs"))
    job.path.mkdir(parents=True)
    job.write(JobStatus("failed", message="c.svs is damaged."))
    _open(app, folder, **{state.SLIDE_VIEW: "Cohort", state.SLIDE_NAME: "a.png"})
    assert not app.metrics()
    app.click("Cohort")  # back to what chose the slide
    assert app.metrics()["Slides"] == "1 of 3"
    assert app.metrics()["With foci"] == app.metrics()["ITC"] == "1"
    assert app.dataframe[0].value["slide"].tolist() == ["a.png"]
    assert "1 slide (c): This slide is damaged" in app.words().replace("\\", "")


def test_slides_are_compared_with_outlines_and_false_foci_have_their_places(
    app: Page, quiet_demo: Path, folder: Path, results: Results
) -> None:
    _open(app, folder, **{state.SLIDE_VIEW: "Evaluation"})
    assert "There are no outlines of these slides" in app.words()
    (folder / "annotations").mkdir()
    square = np.array([[230.0, 200.0], [490.0, 200.0], [490.0, 390.0], [230.0, 390.0]])
    (folder / "annotations" / "a.geojson").write_text(to_geojson([Annotation("Tumor", ((square,),))]))
    app.run()
    assert "1 slide, 1 with tumour, 1 lesion that counts." in app.words()
    assert app.metrics()["Dice"] == "0.000"
    assert app.dataframe[-1].value[["slide", "x", "y"]].to_numpy().tolist() == [["a", 144.0, 144.0]]


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=routes("lab/")), raise_server_exceptions=False)


def test_the_routes_answer_for_opened_slides_only(client: TestClient, folder: Path, results: Results) -> None:
    token = open_token(Opened(folder / "a.png", results.folder(folder / "a.png")))
    tile = client.get(f"/lab/tiles/{token}/9/0_0.jpg")
    assert tile.headers["content-type"] == "image/jpeg"
    assert tile.headers["cache-control"] == "private, max-age=86400"
    assert Image.open(io.BytesIO(tile.content)).size == (255, 255)
    picture = np.asarray(Image.open(io.BytesIO(client.get(f"/lab/tiles/{token}/map.png").content)))
    assert picture.shape[:2] == (10, 13)
    (area,) = client.get(f"/lab/tiles/{token}/areas.json").json()
    assert area["rings"] == [SQUARE.astype(int).tolist()]
    for path in (f"{token}/9/7_0.jpg", f"{token}/99/0_0.jpg", f"{token}/annotations.json", "0" * 32 + "/map.png",
                 "0" * 32 + "/9/0_0.jpg", "..%2F..%2Fetc/map.png", "openseadragon.js"):  # fmt: skip
        assert client.get(f"/lab/tiles/{path}").status_code == 404
    assert client.get("/tiles/openseadragon.js").status_code == 404  # the app lies below /lab


def test_eight_sessions_get_the_same_tiles_at_once(folder: Path, results: Results) -> None:
    token = open_token(Opened(folder / "a.png", results.folder(folder / "a.png")))
    with Slide(folder / "a.png") as slide:
        wanted = {(level, x, y): tile(slide, level, x, y) for level in range(10) for x in range(2) for y in range(2)}
    opened._tile.cache_clear()

    def ask(session: int) -> list[bool]:
        places = np.random.default_rng(session).permutation(list(wanted)).tolist()
        return [tile_of(token, *each) == wanted[tuple(each)] for each in places]

    with ThreadPoolExecutor(8) as pool:
        assert all(all(same) and len(same) == 40 for same in pool.map(ask, range(8)))


def test_what_is_damaged_is_a_sentence_and_no_crash(client: TestClient, folder: Path, results: Results) -> None:
    place = results.folder(folder / "a.png")
    (place / "map.npz").write_bytes(b"no map")
    (place / "areas.geojson").write_text("{")
    token, broken = open_token(Opened(folder / "a.png", place)), open_token(Opened(folder / "c.svs", place))
    for path in (f"{token}/map.png", f"{token}/areas.json", f"{broken}/0/0_0.jpg"):
        answer = client.get(f"/lab/tiles/{path}")
        assert answer.status_code == 422
        assert answer.text.endswith(".")
