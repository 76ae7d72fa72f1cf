"""Where and how finely a volume was sampled, as fields of its own: what the App can colour by and a probe can read."""

from __future__ import annotations

from collections.abc import Iterable

from .columns import Column

#: {field: (kind, what it is)}; positions are those of the volume's centre in the scanner's RAS+ coordinates
GEOMETRY = {
    "pixel_spacing_mm": "float",
    "slice_spacing_mm": "float",
    "matrix_rows": "integer",
    "matrix_columns": "integer",
    "n_slices": "integer",
    "plane": "string",
    "orientation": "string",
    "tilt_degrees": "float",
    "centre_right_mm": "float",
    "centre_anterior_mm": "float",
    "centre_superior_mm": "float",
}


def geometry_columns(geometries: list[dict], taken: Iterable[str]) -> dict[str, Column]:
    """Geometry fields of samples that state a spacing; one that the table has already is called "header_…".

    Args:
        geometries: geometry of each sample as stored with it, ``{}`` for plain pictures
        taken: fields that there are already

    Returns:
        ``{field: column}``; a field without any value is left out
    """
    rows = [_fields(g) for g in geometries]
    out, used = {}, {name.casefold() for name in taken}
    for field, kind in GEOMETRY.items():
        values = [r.get(field) for r in rows]
        if any(v is not None for v in values):
            name = f"header_{field}" if field in used else field
            out[name] = Column(name, kind, values)
    return out


def _fields(geometry: dict) -> dict:
    mm = geometry.get("spacing_mm")
    if not mm:
        return {}
    sampled = geometry.get("matrix") or (None, None)
    out = {"pixel_spacing_mm": round(float(mm[-2]), 4), "matrix_rows": sampled[0], "matrix_columns": sampled[1]}
    if geometry.get("plane", "image") == "image":
        return out
    right, anterior, superior = geometry.get("centre_mm") or (None, None, None)
    return {
        **out,
        "slice_spacing_mm": round(float(mm[0]), 4),
        "n_slices": geometry.get("slices"),
        "plane": geometry["plane"],
        "orientation": geometry.get("axes"),
        "tilt_degrees": geometry.get("tilt_degrees"),
        "centre_right_mm": right,
        "centre_anterior_mm": anterior,
        "centre_superior_mm": superior,
    }
