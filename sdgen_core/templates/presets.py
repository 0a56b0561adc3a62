"""ADetailer and ControlNet settings: preset files, inline maps and overrides become complete detectors and units.

What a detector and a unit consist of stands in ``preset_model``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from ..errors import Place, SDGenError, nearest_names
from .documents import Document, Node
from .parameters import KNOWN, LOOSE, unquoted
from .run import Entry, Run

if TYPE_CHECKING:
    from .fields import FileModel


@cache
def _fields(what: str) -> dict[str, Any]:
    """Field → default of a ``detector`` or a ``unit``. The models are loaded only for templates that use presets."""
    from .preset_model import Detector, UnitFields

    model: type[FileModel] = Detector if what == "detector" else UnitFields
    return {name: field.default for name, field in model.model_fields.items()}


def expand_presets(run: Run, parameters: Mapping[str, tuple[Any, Document]]) -> dict[str, Any]:
    """The parameters block with presets read. ``null`` or ``false`` switches a preset off. Raises ``bad-preset``,
    ``missing-file``.
    """
    out: dict[str, Any] = {}
    for name, (value, document) in parameters.items():
        if name not in LOOSE:
            out[name] = value
            if name not in KNOWN:
                _unknown(run, name, document)
            continue
        if value is None or value is False:
            continue
        node = document.root.at(("parameters", name))
        entry = Entry(node, document, False, f"parameters.{name}")
        try:
            if name == "adetailer":
                out[name] = {"enabled": True, "detectors": _detectors(run, value, entry)}
            else:
                out[name] = {"units": _units(run, value, entry)}
        except SDGenError as e:
            run.problem(e)
    run.check()
    return out


def _unknown(run: Run, name: str, document: Document) -> None:
    """Remark on a parameter that nobody knows; without a known one like it, it may be there to be recorded."""
    key = next((k for n, k, _ in document.root.at(("parameters",)).pairs() if n == name), None)
    place = document.place(key)
    near = nearest_names(name, sorted(KNOWN))
    if near:
        run.warn(f"the parameter {name!r} is unknown and has no effect", place, "schema", near)
    else:
        run.note(f"the parameter {name!r} is unknown; it is kept in the manifest and has no effect", place, "schema")


def _detectors(run: Run, value: Any, entry: Entry) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else [value]
    out: list[dict[str, Any]] = []
    for item in items:
        if isinstance(item, str):
            out += _preset(run, item, entry, "adetailer")
        elif isinstance(item, dict):
            override = _merged({k: v for k, v in item.items() if k != "enabled"}, entry.place)
            if item.get("import"):
                found = _preset(run, str(item["import"]), entry, "adetailer")
                for detector in found:
                    _set(detector, override, entry.place, "detector")
                out += found
            elif out and "ad_model" not in override and len(items) > 1:
                _set(out[-1], override, entry.place, "detector")
            elif not override:
                raise _bad("a detector needs import: or ad_ fields", entry.place)
            else:
                out.append(_set(dict(_fields("detector")), override, entry.place, "detector"))
        else:
            raise _bad(f"{item!r} is neither a preset file nor a map of fields", entry.place)
    return out


def _units(run: Run, value: Any, entry: Entry) -> list[dict[str, Any]]:
    if isinstance(value, dict) and "import" not in value:
        inner = value.get("units") if isinstance(value.get("units"), list) else [_merged(value, entry.place)]
        return [_unit(unit, entry.place) for unit in inner or []]
    items = value if isinstance(value, list) else [value]
    out: list[dict[str, Any]] = []
    overrides: list[dict[str, Any]] = []
    for item in items:
        if isinstance(item, str):
            out += _preset(run, item, entry, "controlnet")
        elif isinstance(item, dict) and item.get("import"):
            found = _preset(run, str(item["import"]), entry, "controlnet")
            if found:
                _set(found[0], _merged(item, entry.place), entry.place, "unit")
            out += found
        elif isinstance(item, dict) and "model" in item:
            out.append(_unit(_merged(item, entry.place), entry.place))
        elif isinstance(item, dict):
            overrides.append(_merged(item, entry.place))
        else:
            raise _bad(f"{item!r} is neither a preset file nor a map of fields", entry.place)
    if overrides and not out:
        raise _bad("the fields override no unit: name a preset or a model", entry.place)
    for item in overrides[:1]:
        _set(out[0], item, entry.place, "unit")
    if len(overrides) > 1:
        run.warn(
            "only the first map of a controlnet list overrides the first unit; the others have no effect",
            entry.place,
            "bad-preset",
        )
    return out


def _merged(item: dict[str, Any], place: Place) -> dict[str, Any]:
    """The fields of an entry, those under ``override`` included."""
    override = item.get("override") or {}
    if not isinstance(override, dict):
        raise _bad("override is no map of fields", place)
    return {**{k: v for k, v in item.items() if k not in ("import", "override")}, **override}


def _unit(fields: Any, place: Place) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise _bad("a unit is a map of fields", place)
    if not fields.get("model"):
        _set(dict(_fields("unit")), fields, place, "unit")  # an unknown field is the likelier mistake
        raise _bad("a unit needs model:", place)
    return _set(dict(_fields("unit")), fields, place, "unit")


def _preset(run: Run, text: str, entry: Entry, what: str) -> list[dict[str, Any]]:
    path = run.find(text, entry, only_own=True, missing_ok=True) or run.find(text, entry)
    assert path is not None
    document = run.open(path)
    root = document.root
    if root.kind != "map":
        raise _bad(f"{document.name} is empty or no map of fields", document.place())
    version = _text(root, "version")
    if what == "controlnet":
        if version not in (None, "1", "1.0"):
            raise _bad(f"version {version!r} is unknown; '1.0' is read", document.place(root.get("version")))
        units = root.get("units")
        if units is None or units.kind != "list" or not units.value:
            raise _bad("the field 'units' is missing or no list of units", document.place(units))
        return [_unit(node.python(), document.place(node)) for node in units.value]
    if version not in (None, "1", "1.0", "2", "2.0"):
        raise _bad(f"version {version!r} is unknown; '2.0' and '1.0' are read", document.place(root.get("version")))
    nodes: list[Node] = []
    many, one = root.get("detectors"), root.get("detector")
    if many is not None and many.kind == "list":
        nodes = many.value
    elif one is not None and one.kind == "map":
        nodes = [one]
    if not nodes or any(n.kind != "map" for n in nodes):
        raise _bad("the field 'detector' (or a list 'detectors') is missing", document.place())
    out: list[dict[str, Any]] = []
    known = _fields("detector")
    for node in nodes:
        detector = dict(known)
        for key, key_node, value in node.pairs():
            if key in known:
                _set(detector, {key: value.python()}, document.place(value), "detector")
            else:
                near = nearest_names(key, known)
                tail = "; did you mean " + " or ".join(map(repr, near)) + "?" if near else ""
                run.warn(
                    f"the detector field {key!r} is unknown and has no effect{tail}",
                    document.place(key_node),
                    "bad-preset",
                )
        out.append(detector)
    return out


def _text(root: Node, key: str) -> str | None:
    node = root.get(key)
    return None if node is None or node.kind != "scalar" or node.is_null else str(node.value)


def _set(target: dict[str, Any], fields: Mapping[str, Any], place: Place, what: str) -> dict[str, Any]:
    known = _fields(what)
    for key, value in fields.items():
        if key not in known:
            raise SDGenError(
                "bad-preset", f"{key!r} is no field of a {what}", place=place, nearest=nearest_names(key, known)
            )
        if isinstance(value, dict) and (name := unquoted(value)) is not None:
            value = name
        target[key] = _typed(key, value, known[key], place)
    return target


def _typed(key: str, value: Any, default: Any, place: Place) -> Any:
    """``value`` in the type of the field's default; a placeholder may stand anywhere."""
    if (isinstance(value, str) and "{" in value) or default is None:
        return value
    if isinstance(default, str):
        return "" if value is None else str(value)
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if isinstance(default, float):
            return float(value)
        return int(value) if float(value).is_integer() else value
    raise _bad(f"{key}: {value!r} is not {'true or false' if isinstance(default, bool) else 'a number'}", place)


def _bad(message: str, place: Place) -> SDGenError:
    return SDGenError("bad-preset", message, place=place)
