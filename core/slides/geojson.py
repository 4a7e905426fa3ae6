"""Annotations as GeoJSON, as QuPath writes and reads it.

QuPath counts full-resolution pixels from the upper left corner of what was scanned: the bounds of the slide, where it
has any. Its documentation, "Exporting annotations", gives the properties.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from core.errors import DataError
from core.slides.outlines import Annotation, Polygon, Ring
from core.storage.schema import parse

DECIMALS = 2
"""Of coordinates in pixels."""


def to_geojson(annotations: Iterable[Annotation], *, bounds: Sequence[int] = (0, 0)) -> str:
    """Return annotations as a FeatureCollection.

    Args:
        annotations: in level-0 pixels.
        bounds: (x, y, ...) of the slide's scanned area, from which QuPath counts.
    """
    features = [_feature(each, bounds) for each in annotations]
    return json.dumps({"type": "FeatureCollection", "features": features}, allow_nan=False, ensure_ascii=False) + "\n"


def from_geojson(text: str | bytes, *, name: str, bounds: Sequence[int] = (0, 0)) -> list[Annotation]:
    """Return the areas of a GeoJSON: a FeatureCollection, a Feature or a list of these; points and lines are left out.

    Args:
        text: the file.
        name: what to call it in an error.
        bounds: as of :func:`to_geojson`.

    Raises:
        DataError: it is no GeoJSON.
    """
    try:
        value = parse(text)
        features = value.get("features", [value]) if isinstance(value, dict) else value
        return [found for each in features if (found := _annotation(each, bounds)) is not None]
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise DataError(f"{name} is no GeoJSON of annotations ({str(error)[:120]}); export it again.") from error


def _feature(annotation: Annotation, bounds: Sequence[int]) -> dict[str, Any]:
    polygons = [[_closed(ring, bounds) for ring in polygon] for polygon in annotation.polygons]
    one = len(polygons) == 1
    properties: dict[str, Any] = {"objectType": "annotation"}
    if annotation.name:
        properties["name"] = annotation.name
    if annotation.classification:
        properties["classification"] = {"name": annotation.classification}
        if annotation.colour:
            properties["classification"]["color"] = list(annotation.colour)
    if annotation.measurements:
        properties["measurements"] = dict(annotation.measurements)
    geometry = {"type": "Polygon" if one else "MultiPolygon", "coordinates": polygons[0] if one else polygons}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _closed(ring: Ring, bounds: Sequence[int]) -> list[list[float]]:
    corners: list[list[float]] = (ring - np.array(bounds[:2])).round(DECIMALS).tolist()
    return [*corners, corners[0]]


def _annotation(feature: dict[str, Any], bounds: Sequence[int]) -> Annotation | None:
    geometry = feature.get("geometry", feature)
    kind = geometry["type"]
    if kind not in ("Polygon", "MultiPolygon"):
        return None
    listed = [geometry["coordinates"]] if kind == "Polygon" else geometry["coordinates"]
    polygons: tuple[Polygon, ...] = tuple(tuple(_ring(ring, bounds) for ring in polygon) for polygon in listed)
    properties = feature.get("properties") or {}
    found = properties.get("classification") or {}
    # QuPath 0.6 writes derived classes as a list of names.
    classification = found.get("name") or ": ".join(found.get("names", []))
    colour = tuple(int(each) for each in found.get("color", ())) or None
    measured = properties.get("measurements") or {}
    if isinstance(measured, list):  # QuPath before 0.4
        measured = {each["name"]: each["value"] for each in measured}
    numbers = {str(key): float(value) for key, value in measured.items() if isinstance(value, int | float)}
    return Annotation(str(classification), polygons, str(properties.get("name") or ""), colour, numbers)  # type: ignore[arg-type]


def _ring(corners: Sequence[Sequence[float]], bounds: Sequence[int]) -> Ring:
    ring = np.array([each[:2] for each in corners], np.float64)
    if ring.ndim != 2 or len(ring) < 3 or not np.isfinite(ring).all():
        raise ValueError("a polygon has fewer than three corners")
    ring = ring[:-1] if (ring[0] == ring[-1]).all() else ring
    return np.asarray(ring + np.array(bounds[:2]))
