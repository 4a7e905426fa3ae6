"""Browse without a browser: the grid, its pages, the basket, and the patch that is open."""

from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from core.data import Decision, decide, open_dataset
from pages._ui import cache
from pages._ui.browse import detail
from pages._ui.browse.columns import Fixed, PatchColumns


def words(app: AppTest) -> str:
    kinds = (app.header, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def button(app: AppTest, label: str):
    return next(each for each in app.button if each.label == label)


def view(app: AppTest, name: str) -> None:
    app.segmented_control(key="browse_view").set_value(name).run()
    assert not app.exception


def test_the_first_visit_shows_the_marked_demo_and_needs_no_choice(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert "synthetic demo" in words(app)
    assert "Tumour in the centre: solid red outline** · 973 patches" in words(app)
    assert "No tumour in the centre: dashed green outline** · 1,427 patches" in words(app)
    assert "Research use only. Not for diagnosis." in words(app)


def test_pages_end_where_the_patches_end(app: AppTest) -> None:
    app.run()
    page = next(each for each in app.number_input if each.label == "Page")
    assert page.max == 16  # 1,427 normal patches in pages of 90
    page.set_value(16).run()
    assert not app.exception
    assert "No more patches on this page." in words(app)  # of tumour, whose 973 patches fill 11 pages
    assert button(app, "Next").disabled
    button(app, "Previous").click().run()
    assert next(each for each in app.number_input if each.label == "Page").value == 15


def test_a_smaller_choice_brings_the_page_back_into_range(app: AppTest) -> None:
    app.run()
    next(each for each in app.number_input if each.label == "Page").set_value(16).run()
    app.segmented_control(key="show").set_value("tumour").run()
    assert not app.exception
    assert next(each for each in app.number_input if each.label == "Page").value == 11


def test_shuffling_changes_the_order_and_can_be_undone(app: AppTest) -> None:
    app.run()
    button(app, "Shuffle").click().run()
    assert app.query_params["shuffle"] == "1"
    button(app, "In order").click().run()
    assert "shuffle" not in app.query_params
    assert not app.exception


def test_a_folder_is_chosen_by_its_path_and_its_flaws_are_told(app: AppTest, kaggle: Path) -> None:
    app.query_params["data"] = str(kaggle)
    app.run()
    assert not app.exception
    assert "synthetic demo" not in words(app).replace("Synthetic", "")
    assert "p1.tif is damaged or no image." in words(app)
    view(app, "Balance")
    assert [metric.value for metric in app.metric] == ["5", "3", "2"]
    assert "The slides of these patches are not known, so that a random split is optimistic" in words(app)
    view(app, "Quality")
    assert "1 left out" in [each.label for each in app.expander]


def test_a_path_that_is_not_there_is_one_sentence(app: AppTest) -> None:
    app.query_params["data"] = "/no/such/folder"
    app.run()
    assert not app.exception
    assert "There is no folder /no/such/folder" in app.error[0].value


def test_patches_in_the_basket_are_excluded_and_put_back(app: AppTest, kaggle: Path, fresh_home: Path) -> None:
    app.query_params["data"] = str(kaggle)
    app.query_params["find"] = "4"
    app.run()
    button(app, "Put these 1 into the basket").click().run()
    assert "1 in the basket" in words(app)
    app.text_input(key="exclude_reason").set_value("smudged").run()
    button(app, "Exclude").click().run()
    assert not app.exception
    assert "in the basket" not in words(app)
    assert open_dataset(kaggle).problems[-1].reason == "excluded: smudged"
    view(app, "Balance")
    assert [metric.value for metric in app.metric] == ["4", "3", "1"]
    view(app, "Quality")
    button(app, "Put all 1 back").click().run()
    view(app, "Balance")
    assert [metric.value for metric in app.metric] == ["5", "3", "2"]


def test_a_pack_is_started_from_the_page_and_watched(
    app: AppTest, kaggle: Path, fresh_home: Path, launched: list[list[str]]
) -> None:
    app.query_params["data"] = str(kaggle)
    app.query_params["browse_view"] = "Quality"
    app.run()
    button(app, "Pack").click().run()
    assert not app.exception
    assert launched == [["pack", str(kaggle)]]
    assert "Cancel" in [each.label for each in app.button]
    button(app, "Cancel").click().run()
    assert "Cancelling after the patches in work" in words(app)


def test_a_whole_id_goes_to_its_page_and_opens_it(app: AppTest) -> None:
    app.run()
    app.text_input(key="find").set_value("demo-s39-p000").run()
    assert not app.exception
    assert app.query_params["open"] == "demo-s39-p000"
    assert "in the grid" in words(app)
    page = next(each for each in app.number_input if each.label == "Page").value
    label = int(open_dataset("demo").table.set_index("id")["label"]["demo-s39-p000"])
    rows = np.flatnonzero((open_dataset("demo").table["label"] == label).to_numpy())
    at = int(np.flatnonzero(open_dataset("demo").table["id"].iloc[rows] == "demo-s39-p000")[0])
    assert page == at // 90 + 1
    assert "solid red outline** · 973 patches" in words(app)  # nothing was filtered
    app.text_input(key="find").set_value("s39").run()
    assert "solid red outline** · 973 patches" not in words(app)  # a part of an id filters


def test_a_link_opens_a_patch_with_what_is_known_of_it(app: AppTest) -> None:
    app.query_params["open"] = "demo-s00-p049"
    app.run()
    assert not app.exception
    seen = words(app)
    assert "Label :red[**tumour**] · slide demo-s00 · part test" in seen
    assert "Model: :red[**tumour**], probability of tumour" in seen
    assert all(word in seen for word in ("**Haematoxylin**", "**Eosin**", "**Saliency**"))
    at = next(each for each in app.button if each.key == "detail-Next")
    at.click().run()
    assert app.query_params["open"] == "demo-s00-p050"
    next(each for each in app.button if each.key == "detail-put").click().run()
    assert app.session_state["basket"]["demo"] == ["demo-s00-p050"]


def test_a_relabelled_patch_says_both_labels(app: AppTest, kaggle: Path, fresh_home: Path) -> None:
    decide(str(kaggle), {"p0": Decision("relabel", 0), "p3": Decision("relabel", 0)})  # p3 is normal already
    app.query_params["data"] = str(kaggle)
    app.query_params["open"] = "p0"
    app.run()
    assert not app.exception
    assert "Label :green[**normal**] by decision (tumour in the data)" in words(app)
    decided = open_dataset(kaggle)
    for dataset in (decided, decided.base):
        relabelled = {"p0": (1, 0)}
        known = PatchColumns(dataset, Fixed(dataset), None, {}, None, {}, relabelled)
        assert detail.summary(known, 0) == "p0<br>normal by decision (tumour in the data)"
        assert detail.summary(known, 3) == "p3<br>normal"
        assert known.label(0) == 0
        assert cache.relabelled(dataset) == {"p0": (1, 0)}


def test_a_link_to_a_patch_that_is_not_there_shows_the_grid(app: AppTest) -> None:
    app.query_params["open"] = "nobody"
    app.run()
    assert not app.exception
    assert "open" not in app.query_params
    assert "no patch with the id nobody" in app.toast[0].value


def test_what_stands_in_the_address_comes_back_from_another_page(app: AppTest) -> None:
    app.query_params["shuffle"] = "3"
    app.run()
    app.switch_page("pages/train.py").run()
    app.query_params.pop("shuffle", None)
    app.switch_page("pages/browse.py").run()
    assert not app.exception
    assert app.query_params["shuffle"] == "3"
