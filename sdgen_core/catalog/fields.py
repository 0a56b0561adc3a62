"""What can be said about an image or a session, and which words it can be said in. One table for nodes, routes and files."""

from __future__ import annotations

import re

from ..errors import SDGenError, nearest_names

MARKS = ("favourite", "interesting", "trash")
VERDICTS = ("ok", "partial", "ko", "no-effect", "unintended")
RATINGS = ("1", "2", "3", "4", "5")
#: What a machine may say of an image whose values it could see; ``NO_CLASS`` where it said nothing.
CLASSES = ("success", "partial", "failed")
NO_CLASS = "none"
#: What a person may say of a session; the predecessor's words.
SESSION_RATINGS = ("like", "dislike")

_YES = ("yes",)
_YES_NO = ("yes", "no")
#: Field -> the values it can have; None: any text.
_IMAGE: dict[str, tuple[str, ...] | None] = {"mark": MARKS, "failed": _YES, "rating": RATINGS, "note": None}
_SESSION: dict[str, tuple[str, ...] | None] = {
    "favourite": _YES,
    "rating": SESSION_RATINGS,
    "test": _YES,
    "complete": _YES_NO,
    "note": None,
    "name": None,
}
_QUERY: dict[str, tuple[str, ...] | None] = {"query": None}
_FIELDS = {"image": _IMAGE, "session": _SESSION, "query": _QUERY}

TAG = "tag/"
VALUE = "value/"
MOST_TEXT = 20_000
_TAG_NAME = re.compile(r"[^\x00-\x1f,]{1,80}")


def tag_field(name: str) -> str:
    """The field of a free tag. Raises ``bad-judgement``."""
    name = " ".join(name.split())
    if not _TAG_NAME.fullmatch(name):
        raise SDGenError("bad-judgement", f"{name!r} is no tag: 1 to 80 characters, no comma")
    return TAG + name


def value_field(placeholder: str) -> str:
    """The field of the verdict about the value that ``placeholder`` has in an image."""
    return VALUE + placeholder


def check(kind: str, field: str, value: str | None) -> None:
    """Raises ``bad-judgement`` when a subject of ``kind`` has no such field, or the field no such value. None is always right."""
    fields = _FIELDS.get(kind)
    if fields is None:
        raise SDGenError(
            "bad-judgement", f"{kind!r} is nothing that can be judged", nearest=nearest_names(kind, _FIELDS)
        )
    if field.startswith(TAG) and kind in ("image", "session"):
        allowed: tuple[str, ...] | None = _YES
        tag_field(field[len(TAG) :])
    elif field.startswith(VALUE) and kind == "image" and len(field) > len(VALUE):
        allowed = VERDICTS
    elif field in fields:
        allowed = fields[field]
    else:
        message = f"{field!r} is nothing that can be said about {kind}s"
        raise SDGenError("bad-judgement", message, nearest=nearest_names(field, fields))
    if value is None:
        return
    if allowed is None:
        if not value or len(value) > MOST_TEXT:
            raise SDGenError("bad-judgement", f"{field} is a text of 1 to {MOST_TEXT} characters")
    elif value not in allowed:
        message = f"{value!r} is no value of {field}: {', '.join(allowed)}"
        raise SDGenError("bad-judgement", message, nearest=nearest_names(value, allowed))
