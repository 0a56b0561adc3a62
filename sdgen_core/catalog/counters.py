"""The index's counters, which triggers keep: counted anew, compared and mended."""

from __future__ import annotations

from .index import Index
from .schema import SESSION_COUNTS

_JUDGED = "SELECT value, verdict, count(*) FROM image_value WHERE verdict > 0 GROUP BY value, verdict"
_KEPT = "SELECT value, verdict, images FROM value_verdict WHERE images <> 0"
_NAMES = ", ".join(SESSION_COUNTS)
_SUMS = "SELECT " + ", ".join(
    f"coalesce(sum({term.format(row='image')}), 0) AS {name}" for name, term in SESSION_COUNTS.items()
)
_OWN_VERDICTS = "(SELECT count(*) FROM image_value WHERE image_value.image = image.id AND verdict > 0)"
_OWN_IMAGES = "(SELECT count(*) FROM image_value WHERE image_value.value = value.id)"
#: What a counter is about -> a query for the rows whose counters are wrong.
_CHECKS = {
    "verdicts of image": f"SELECT id FROM image WHERE judged <> {_OWN_VERDICTS}",
    "images of value": f"SELECT id FROM value WHERE images <> {_OWN_IMAGES}",
    "verdicts of value": f"SELECT DISTINCT value FROM (SELECT * FROM ({_JUDGED} EXCEPT {_KEPT})"
    f" UNION ALL SELECT * FROM ({_KEPT} EXCEPT {_JUDGED}))",
    "counters of session": f"SELECT slug FROM session WHERE ({_NAMES}) IS NOT ({_SUMS} FROM image WHERE image.session = session.id)",
}
#: In this order: changing an image changes the counters of its session.
_REPAIRS = (
    f"UPDATE image SET judged = {_OWN_VERDICTS} WHERE judged <> {_OWN_VERDICTS}",
    f"UPDATE value SET images = {_OWN_IMAGES}",
    "DELETE FROM value_verdict",
    f"INSERT INTO value_verdict {_JUDGED}",
    f"UPDATE session SET ({_NAMES}) = ({_SUMS} FROM image WHERE image.session = session.id)",
)


def recount(index: Index, *, repair: bool) -> list[str]:
    """Compare every counter with what it counts; gives the differences in words, and mends them with ``repair``."""
    with index.transaction() as db:
        found = [f"{what} {row}" for what, check in _CHECKS.items() for (row,) in db.execute(check)]
        if found and repair:
            for statement in _REPAIRS:
                db.execute(statement)
    return found
