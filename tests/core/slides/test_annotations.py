"""Outlines of masks, and annotations from and to the formats of QuPath, ASAP and NCRF."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError
from core.slides.annotations import inside, read_annotations, to_asap
from core.slides.geojson import from_geojson, to_geojson
from core.slides.outlines import Annotation, area_of, trace
from tests.core.slides.test_reader import SHARED, real_slides

SQUARE = np.array([(1000.25, 2000.5), (3000.0, 2000.0), (3000.0, 5000.75), (1000.0, 5000.0)])
HOLE = np.array([(1500.0, 2500.0), (1500.0, 3000.0), (2000.0, 3000.0)])
FAR = np.array([(150_000.5, 90_000.25), (150_100.0, 90_000.0), (150_100.0, 90_200.0)])
AREA = Annotation("Tumor", ((SQUARE, HOLE), (FAR,)), "Focus 1", (215, 38, 61), {"Area mm^2": 1.5})


def drawn(polygons, shape: tuple[int, int]) -> np.ndarray:
    """Which cells have their middle inside the polygons."""
    rows, columns = shape
    x, y = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    return inside([Annotation("", tuple(polygons))], places).reshape(shape)


@pytest.mark.parametrize("seed", range(6))
def test_outlines_of_a_mask_hold_its_cells_and_no_others(seed: int) -> None:
    mask = np.random.default_rng(seed).random((23, 31)) < (0.35, 0.5, 0.6, 0.75, 0.9, 0.05)[seed]

    polygons = trace(mask.astype(int)).get(1, ())

    np.testing.assert_array_equal(drawn(polygons, mask.shape), mask)
    assert sum(area_of(ring) for polygon in polygons for ring in polygon) == mask.sum()
    for outer, *holes in polygons:
        assert area_of(outer) > 0
        assert all(area_of(hole) < 0 for hole in holes)
        for ring in (outer, *holes):
            assert len({tuple(corner) for corner in ring.tolist()}) == len(ring) >= 4


def test_an_outline_has_its_corners_only_and_holes_behind_the_outer_ring() -> None:
    labels = np.zeros((6, 8), int)
    labels[1:5, 1:6] = 3
    labels[2, 3] = 0
    labels[5, 7] = 4

    polygons = trace(labels)

    assert list(polygons) == [3, 4]
    ((outer, hole),) = polygons[3]
    assert sorted(outer.tolist()) == [[1, 1], [1, 5], [6, 1], [6, 5]]
    assert sorted(hole.tolist()) == [[3, 2], [3, 3], [4, 2], [4, 3]]
    assert area_of(polygons[4][0][0]) == 1


def test_a_ring_that_would_touch_itself_becomes_two() -> None:
    mask = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]])  # the hole and the outside meet at a corner

    ((outer, hole),) = trace(mask)[1]

    assert area_of(outer) - 1 == 7
    assert area_of(hole) == -1


@pytest.mark.parametrize("bounds", [(0, 0), (1280, 4096, 50_000, 60_000)])
def test_geojson_is_as_qupath_writes_it_and_comes_back(bounds: tuple[int, ...]) -> None:
    text = to_geojson([AREA], bounds=bounds)
    value = json.loads(text)
    feature = value["features"][0]

    assert value["type"] == "FeatureCollection"
    assert feature["type"] == "Feature"
    assert feature["properties"] == {
        "objectType": "annotation", "name": "Focus 1", "classification": {"name": "Tumor", "color": [215, 38, 61]},
        "measurements": {"Area mm^2": 1.5},
    }  # fmt: skip
    assert feature["geometry"]["type"] == "MultiPolygon"
    ring = feature["geometry"]["coordinates"][0][0]
    assert ring[0] == ring[-1] == [1000.25 - bounds[0], 2000.5 - bounds[1]]
    (back,) = from_geojson(text, name="a", bounds=bounds)
    assert_same(back, AREA)
    assert (back.name, back.colour, dict(back.measurements)) == (AREA.name, AREA.colour, dict(AREA.measurements))


def assert_same(found: Annotation, expected: Annotation) -> None:
    assert found.classification == expected.classification
    assert len(found.polygons) == len(expected.polygons)
    for one, two in zip(found.polygons, expected.polygons, strict=True):
        for ring, other in zip(one, two, strict=True):
            np.testing.assert_allclose(ring, other, atol=0.01)


POLYGON = {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 0]]]}


@pytest.mark.parametrize(
    ("value", "classes"),
    [
        ({"type": "Feature", "geometry": POLYGON, "properties": {}}, [""]),
        ([{"type": "Feature", "geometry": POLYGON, "properties": {"classification": {"name": "Stroma"}}}], ["Stroma"]),
        ([{"type": "Feature", "geometry": POLYGON, "properties": {"classification": {"names": ["A", "B"]}}}], ["A: B"]),
        ({"type": "FeatureCollection", "features": [{"geometry": {"type": "Point", "coordinates": [1, 2]}}]}, []),
        ([{"geometry": POLYGON, "properties": {"measurements": [{"name": "a", "value": 1}]}}], [""]),
    ],
)
def test_geojson_of_other_programs_and_versions_is_read(value: object, classes: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text(json.dumps(value))

    assert [each.classification for each in read_annotations(tmp_path / "a.geojson")] == classes


def test_asap_comes_back_with_its_holes(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(to_asap([AREA]))

    first, second = read_annotations(tmp_path / "a.xml")

    assert_same(first, Annotation("Tumor", ((SQUARE, HOLE),)))
    assert_same(second, Annotation("Tumor", ((FAR,),)))
    assert first.name == "Focus 1"


CAMELYON = """<?xml version="1.0"?><ASAP_Annotations><Annotations>
<Annotation Name="Annotation 0" Type="Polygon" PartOfGroup="_0" Color="#F4FA58"><Coordinates>
<Coordinate Order="1" X="100,5" Y="0" /><Coordinate Order="0" X="0" Y="0" />
<Coordinate Order="2" X="100" Y="100" /><Coordinate Order="3" X="0" Y="100" /></Coordinates></Annotation>
<Annotation Name="Annotation 1" Type="Polygon" PartOfGroup="_2" Color="#F4FA58"><Coordinates>
<Coordinate Order="0" X="10" Y="10" /><Coordinate Order="1" X="20" Y="10" /><Coordinate Order="2" X="20" Y="20" />
</Coordinates></Annotation>
<Annotation Name="Dot" Type="Dot" PartOfGroup="None"><Coordinates>
<Coordinate Order="0" X="1" Y="1" /></Coordinates></Annotation>
<Annotation Name="Box" Type="Rectangle" PartOfGroup="metastases"><Coordinates>
<Coordinate Order="0" X="200" Y="200" /><Coordinate Order="1" X="300" Y="260" /></Coordinates></Annotation>
</Annotations><AnnotationGroups /></ASAP_Annotations>"""


def test_camelyons_asap_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(CAMELYON)

    first, box = read_annotations(tmp_path / "a.xml")

    assert first.is_tumour
    assert box.is_tumour
    np.testing.assert_array_equal(first.polygons[0][0], [(0, 0), (100.5, 0), (100, 100), (0, 100)])
    assert len(first.polygons[0]) == 2
    np.testing.assert_array_equal(box.polygons[0][0], [(200, 200), (300, 200), (300, 260), (200, 260)])
    found = inside([first], np.array([(50.0, 50.0), (19.0, 12.0), (150.0, 50.0)]))
    assert found.tolist() == [True, False, False]


@real_slides
def test_a_real_annotation_of_ncrf_is_read() -> None:
    found = read_annotations(SHARED / "camelyon16-tumor_064.json")
    raw = json.loads((SHARED / "camelyon16-tumor_064.json").read_text())

    assert len(found) == len(raw["positive"])
    assert all(each.is_tumour for each in found)
    np.testing.assert_array_equal(found[0].polygons[0][0], raw["positive"][0]["vertices"])
    text = to_geojson(found)
    for one, two in zip(from_geojson(text, name="a"), found, strict=True):
        assert_same(one, two)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", "{", "neither JSON nor XML"),
        ("a.json", '{"positive": [{"vertices": [[1, 2]]}]}', "no annotation of NCRF"),
        ("a.geojson", '[{"geometry": {"type": "Polygon", "coordinates": [[[1, 2]]]}}]', "no GeoJSON of annotations"),
        ("a.geojson", '{"type": "FeatureCollection", "features": 3}', "no GeoJSON of annotations"),
        ("a.xml", "<ASAP_Annotations>", "no XML of ASAP"),
        ("a.xml", CAMELYON.replace("100,5", "far"), "no XML of ASAP"),
    ],
)
def test_what_is_no_annotation_is_said(name: str, content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)

    with pytest.raises(DataError, match=said):
        read_annotations(tmp_path / name)
