"""The index's counters, which triggers keep: counted anew, compared and mended."""

from __future__ import annotations

from .index import Index
from .schema import SESSION_COUNTS

_JUDGED = "SELECT value, verdict, count(*) FROM image_value WHERE verdict > 0 GROUP BY value, verdict"
_KEPT = "SELECT value, verdict, images FROM value_verdict WHERE images <> 0"
_OWN_IMAGES = "(SELECT count(*) FROM image_value WHERE image_value.value = value.id)"
_NAMES = ", ".join(name for terms in SESSION_COUNTS.values() for name in terms)
#: What the counters of a session should be.
_SUMS = ", ".join(
    f"(SELECT coalesce(sum({term.format(row=table)}), 0) FROM {table} WHERE {table}.session = session.id)"
    for table, terms in SESSION_COUNTS.items()
    for term in terms.values()
)
#: Image -> verdicts about its values: as they are, and as they are counted.
_GIVEN = "SELECT image, count(*) FROM image_value WHERE verdict > 0 GROUP BY image"
_COUNTED = "SELECT image, verdicts FROM image_said WHERE verdicts <> 0"
#: What a counter is about -> a query for the rows whose counters are wrong.
_CHECKS = {
    "verdicts of image": f"SELECT DISTINCT image FROM (SELECT * FROM ({_GIVEN} EXCEPT {_COUNTED})"
    f" UNION ALL SELECT * FROM ({_COUNTED} EXCEPT {_GIVEN}))",
    "images of value": f"SELECT id FROM value WHERE images <> {_OWN_IMAGES}",
    "verdicts of value": f"SELECT DISTINCT value FROM (SELECT * FROM ({_JUDGED} EXCEPT {_KEPT})"
    f" UNION ALL SELECT * FROM ({_KEPT} EXCEPT {_JUDGED}))",
    "counters of session": f"SELECT slug FROM session WHERE ({_NAMES}) IS NOT ({_SUMS})",
}
#: In this order: what is counted of an image changes the counters of its session.
_REPAIRS = (
    "UPDATE image_said SET verdicts = 0 WHERE verdicts <> 0",
    "INSERT INTO image_said(image, session, verdicts) SELECT image.id, session, count(*) FROM image_value JOIN image ON image.id = image"
    " WHERE verdict > 0 GROUP BY image.id ON CONFLICT DO UPDATE SET verdicts = excluded.verdicts",
    f"UPDATE value SET images = {_OWN_IMAGES}",
    "DELETE FROM value_verdict",
    f"INSERT INTO value_verdict {_JUDGED}",
    f"UPDATE session SET ({_NAMES}) = (SELECT {_SUMS})",
)


def recount(index: Index, *, repair: bool) -> list[str]:
    """Compare every counter with what it counts; gives the differences in words, and mends them with ``repair``."""
    with index.transaction() as db:
        found = [f"{what} {row}" for what, check in _CHECKS.items() for (row,) in db.execute(check)]
        if found and repair:
            for statement in _REPAIRS:
                db.execute(statement)
    return found
