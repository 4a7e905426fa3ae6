"""Annotations of slides from files: QuPath's GeoJSON, ASAP's XML and NCRF's JSON; and ASAP's XML written.

ASAP and NCRF count level-0 pixels of the whole slide. Neither has holes: what is cut out is an area of its own, which
ASAP puts into another group ("_2" in CAMELYON16, "normal" in CAMELYON17, "Exclusion" here) and NCRF under "negative".
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.path import Path as Outline

from core.errors import DataError
from core.slides.geojson import from_geojson
from core.slides.outlines import TUMOUR, Annotation, Polygon, Ring, area_of
from core.storage.schema import parse

EXCLUSION = "Exclusion"
_CUT_OUT = {EXCLUSION.lower(), "_2", "normal", "negative"}
LARGEST_FILE = 200_000_000
SUFFIXES = (".geojson", ".json", ".xml")


def read_annotations(path: Path, *, bounds: Sequence[int] = (0, 0)) -> list[Annotation]:
    """Return the annotations of a file, in level-0 pixels.

    Args:
        path: .geojson or .json of QuPath, .xml of ASAP, .json of NCRF.
        bounds: (x, y, ...) of the slide's scanned area, from which QuPath counts.

    Raises:
        DataError: it cannot be read, or is none of these.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise DataError(f"{path.name} is larger than {LARGEST_FILE // 10**6} MB, which no annotation is.")
        data = path.read_bytes()
    except OSError as error:
        raise DataError.unreadable(path, error) from error
    if data.lstrip()[:1] == b"<":
        return _from_asap(data, path.name)
    try:
        value = parse(data)
    except ValueError as error:
        raise DataError(f"{path.name} is neither JSON nor XML ({str(error)[:120]}); export it again.") from error
    if isinstance(value, dict) and "positive" in value:
        return _from_ncrf(value, path.name)
    return from_geojson(data, name=path.name, bounds=bounds)


def to_asap(annotations: Iterable[Annotation]) -> str:
    """Return annotations, in level-0 pixels, as ASAP's XML; holes are areas of the group "Exclusion"."""
    root = ET.Element("ASAP_Annotations")
    listed, groups = ET.SubElement(root, "Annotations"), ET.SubElement(root, "AnnotationGroups")
    colours: dict[str, str] = {}
    for number, annotation in enumerate(annotations):
        colour = "#{:02x}{:02x}{:02x}".format(*(annotation.colour or (215, 38, 61)))
        group = annotation.classification or "None"
        name = annotation.name or f"Annotation {number}"
        for polygon in annotation.polygons:
            for place, ring in enumerate(polygon):
                _add(listed, ring, name=name, group=EXCLUSION if place else group, colour=colour)
        colours.setdefault(group, colour)
        if any(len(polygon) > 1 for polygon in annotation.polygons):
            colours.setdefault(EXCLUSION, "#808080")
    for group, colour in colours.items():
        if group != "None":
            ET.SubElement(ET.SubElement(groups, "Group", Name=group, PartOfGroup="None", Color=colour), "Attributes")
    ET.indent(root, " ")
    return '<?xml version="1.0"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add(parent: ET.Element, ring: Ring, *, name: str, group: str, colour: str) -> None:
    one = ET.SubElement(parent, "Annotation", Name=name, Type="Polygon", PartOfGroup=group, Color=colour)
    corners = ET.SubElement(one, "Coordinates")
    for order, (x, y) in enumerate(ring.round(2).tolist()):
        ET.SubElement(corners, "Coordinate", Order=str(order), X=f"{x:g}" if x < 1e5 else str(x), Y=str(y))


def _from_asap(data: bytes, name: str) -> list[Annotation]:
    try:
        found = []
        for each in ET.fromstring(data).iter("Annotation"):
            corners = sorted(each.iter("Coordinate"), key=lambda corner: int(float(corner.get("Order", "0"))))
            places = [(_decimal(corner.get("X")), _decimal(corner.get("Y"))) for corner in corners]
            if each.get("Type") == "Rectangle" and len(places) == 2:
                (left, top), (right, bottom) = places
                places = [(left, top), (right, top), (right, bottom), (left, bottom)]
            if len(places) >= 3:  # dots and rulers are no areas
                group = each.get("PartOfGroup", "None")
                found.append(("" if group == "None" else group, each.get("Name", ""), np.array(places, np.float64)))
    except (ET.ParseError, ValueError, TypeError) as error:
        raise DataError(f"{name} is no XML of ASAP ({error}); save it again.") from error
    return _with_holes(found)


def _decimal(text: str | None) -> float:
    # ASAP writes the decimal comma of the system's language.
    value = float((text or "").replace(",", "."))
    if not np.isfinite(value):
        raise ValueError(f"a coordinate is {text}")
    return value


def _from_ncrf(value: dict[str, Any], name: str) -> list[Annotation]:
    try:
        found = [
            (kind, str(each.get("name", "")), np.array(each["vertices"], np.float64))
            for key, kind in (("positive", TUMOUR), ("negative", EXCLUSION))
            for each in value.get(key, [])
        ]
        for _, _, ring in found:
            if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < 3 or not np.isfinite(ring).all():
                raise ValueError("a polygon has fewer than three corners")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{name} is no annotation of NCRF ({error!r}); download it again.") from error
    return _with_holes(found)


def _with_holes(found: list[tuple[str, str, Ring]]) -> list[Annotation]:
    """Return annotations of single rings, with what is cut out as holes of the smallest one around it."""
    whole: list[tuple[str, str, list[Ring]]] = [
        (kind, name, [ring]) for kind, name, ring in found if kind.lower() not in _CUT_OUT
    ]
    alone: list[Annotation] = []
    for kind, name, ring in found:
        if kind.lower() in _CUT_OUT:
            around = [rings for _, _, rings in whole if contains(rings[0], ring.mean(axis=0)[None])[0]]
            if around:
                min(around, key=lambda rings: abs(area_of(rings[0]))).append(ring)
            else:
                alone.append(Annotation(kind, ((ring,),), name))
    return [Annotation(kind, (tuple(rings),), name) for kind, name, rings in whole] + alone


def contains(polygon: Ring, places: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which places (x, y), float n×2, lie inside a ring."""
    return np.asarray(Outline(polygon).contains_points(places))


def inside(annotations: Iterable[Annotation], places: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which level-0 places (x, y), float n×2, lie in one of the areas and in none of its holes."""
    found = np.zeros(len(places), bool)
    for annotation in annotations:
        for polygon in annotation.polygons:
            found |= _in(polygon, places)
    return found


def _in(polygon: Polygon, places: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    own = contains(polygon[0], places)
    for hole in polygon[1:]:
        own &= ~contains(hole, places)
    return own
