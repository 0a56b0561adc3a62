"""The care of sessions: taking up what a killed process left, checking, renaming, moving, and a ledger lost.

Everything a session is can be read from its folder: images and manifest, and ``sdgen-session.json`` with what was ordered. So a
folder can be moved to another disk or another ComfyUI and taken up there.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError, shown
from .edits import kept_aside
from .files import remove_leftovers
from .ledger import ItemRow, SessionRow
from .manifest import manifest_may_wait
from .naming import folder_time, safe_name, session_folder_name
from .reading import MANIFEST_NAME
from .recovery import rebuild, verify
from .removal import removed_files, removed_items
from .session_file import (
    SESSION_FILE,
    names_session,
    read_session_file,
    session_file_problem,
    write_session_file,
)

if TYPE_CHECKING:
    from .service import Sessions

log = logging.getLogger("sdgen")


def recover(sessions: Sessions) -> list[SessionRow]:
    """After a start: queued items are done when their file is whole, else to be done again. Gives the sessions in line.

    ComfyUI's queue is empty after a start, so no queued item can still arrive. A session that cannot be read is paused
    with the reason; it must not keep the others from running.
    """
    ledger = sessions.ledger
    in_line = []
    for row in ledger.sessions():
        if not row.queued and row.state not in ("planned", "running", "paused"):
            continue
        try:
            row = found_folder(sessions, row)
            _tidied(row)
            for item in ledger.items(row.id, "queued"):
                if not _adopt(sessions, row, item):
                    ledger.put_back(row.id, [item.idx])
            if row.queued or row.state in ("planned", "running"):
                remove_leftovers(row.folder, min_age=0)  # this process has not saved anything yet
                sessions.catch_up(row)
            row = sessions.finish_if_done(row.id)
            if row.state in ("planned", "running"):
                in_line.append(row)
        except Exception as error:
            log.exception("SDGen: session %s cannot be taken up", row.name)
            ledger.put_back(row.id)
            why = error.advice if isinstance(error, SDGenError) else str(error)
            ledger.set_state(row.id, "paused", f"cannot be taken up: {why}", only_from=("planned", "running"))
    return in_line


def _adopt(sessions: Sessions, row: SessionRow, item: ItemRow) -> bool:
    """Take over an item's files that were written before the ledger could say so."""
    loaded = sessions.load(row.id)
    entries = loaded.found(item)
    for entry in entries:
        loaded.manifest.image(entry)
    if entries:
        first = entries[0]
        sessions.ledger.mark_done(row.id, item.idx, file=first["filename"], sha256=first["sdgen"]["sha256"])
    return bool(entries)


def settle_removed(sessions: Sessions, row: SessionRow) -> None:
    """Items whose images were thrown away are skipped, whoever threw them away: a retry makes again what is missing only."""
    gone = {
        i.idx: str(i.file) for i in sessions.ledger.items(row.id, "done") if not (row.folder / str(i.file)).is_file()
    }
    if gone:
        removed = removed_files(row.folder)
        sessions.ledger.discard(row.id, {idx: file for idx, file in gone.items() if file in removed})


def check(sessions: Sessions, session_id: str, *, hashes: bool = False, repair: bool = False) -> dict[str, Any]:
    """Files against manifest and ledger. ``ok`` when all agree, else ``advice`` says what to do; ``hashes`` also reads every
    file, ``repair`` first rebuilds the manifest from what is there."""
    row = found_folder(sessions, sessions.ledger.session(session_id))
    if repair:
        sessions.forget(row.id)
        rebuild(row.folder)
        settle_removed(sessions, row)
        sessions.catch_up(row)
        sessions.load(row.id).manifest.status(MANIFEST_STATUS[row.state])
    report = verify(row.folder, hashes=hashes).to_dict()
    removed = set(report["removed"])
    unsaved = [
        i.idx
        for i in sessions.ledger.items(row.id, "done")
        if i.file not in removed and not (row.folder / str(i.file)).is_file()
    ]
    report["done_without_file"] = unsaved
    if problem := session_file_problem(sessions.ledger, row.id):
        report["problems"].append(problem)
    report["ok"] = bool(report["ok"]) and not unsaved and not problem
    report["advice"] = _advice(row, report)
    return {**sessions.status(row), "verify": report}


def _advice(row: SessionRow, report: Mapping[str, Any]) -> list[str]:
    """What to do about what was found."""
    out = []
    if report["done_without_file"]:
        out.append(f"`sdgen sessions retry {row.id}` makes the missing images again")
    if damaged := sorted({*report["torn"], *report["mismatched"]}):
        out.append(f"delete or replace what is damaged ({shown(row.folder / damaged[0])}, …), then retry")
    if report["problems"] or (report["extra"] and row.state not in ("planned", "running")):
        out.append(f"`sdgen sessions verify {row.id} --repair` writes manifest and {SESSION_FILE} anew")
    if kept := kept_aside(row.folder / MANIFEST_NAME):
        out.append(f"somebody wrote into manifest.json: take over what you need from {', '.join(kept)}, then delete it")
    return out


def found_folder(sessions: Sessions, row: SessionRow) -> SessionRow:
    """A session whose folder was renamed or moved by hand, or by a process that died before the ledger knew, is found by the file
    in it. Raises ``missing-file`` when it is nowhere.
    """
    if row.folder.is_dir():
        return row
    found: list[Path] = []
    if row.folder.parent.is_dir():  # else it is on a disk that is not there now
        roots = dict.fromkeys([row.folder.parent, *sessions.places.values()])
        found = [f.parent for root in roots for f in root.glob(f"*/{SESSION_FILE}") if names_session(f, row.id)]
    if len(found) != 1:
        several = f"; {' and '.join(map(shown, found))} both say that they are it" if found else ""
        raise SDGenError(
            "missing-file",
            f"the folder of session {row.name} is gone: {shown(row.folder)}{several}",
            hint="Put it back, or name the folder where it is now: sdgen sessions rebuild FOLDER.",
        )
    log.info("SDGen: session %s is found in %s", row.name, shown(found[0]))
    sessions.ledger.relocate(row.id, found[0], row.name)
    sessions.forget(row.id)
    return sessions.ledger.session(row.id)


#: A session's state in the predecessor's three words, which its tools and the manifest know.
MANIFEST_STATUS: Mapping[str, str] = {
    "planned": "ongoing",
    "running": "ongoing",
    "paused": "ongoing",
    "completed": "completed",
    "failed": "completed",
    "stopped": "aborted",
}


def rename(sessions: Sessions, session_id: str, name: str) -> SessionRow:
    """Give a session another name; its folder follows, its files keep their names. Raises ``bad-state`` while it runs."""
    row = _at_rest(sessions, session_id, "renamed")
    name = safe_name(name.strip())
    loaded = sessions.load(row.id)
    resolved = loaded.parts[0].plan.resolved
    when = folder_time(row.folder.name) or loaded.created
    target = _free(row.folder.parent / session_folder_name(when, name, resolved.theme, resolved.style), row.folder)
    return _relocated(sessions, row, target, name)


def move(sessions: Sessions, session_id: str, root: Path) -> SessionRow:
    """Move a session's folder into the folder ``root``, also on another disk. Raises ``bad-state`` while it runs,
    ``unwritable-folder``, ``disk-full``; the old folder stays until the new one is whole."""
    row = _at_rest(sessions, session_id, "moved")
    if not root.is_dir():
        raise SDGenError("unwritable-folder", f"there is no folder {shown(root)}")
    target = _free(root.resolve() / row.folder.name, row.folder)
    return _relocated(sessions, row, target, row.name)


def _at_rest(sessions: Sessions, session_id: str, what: str) -> SessionRow:
    row = sessions.ledger.session(session_id)
    if row.state in ("planned", "running") or row.queued:
        raise SDGenError("bad-state", f"session {row.name} is {row.state}; pause it before it is {what}")
    row = found_folder(sessions, row)
    _tidied(row)
    return row


def _free(target: Path, now: Path) -> Path:
    number, found = 1, target
    while found != now and found.exists():
        if _copied_from(found) == now:  # a copy that a killed process had not told the ledger of
            shutil.rmtree(found, ignore_errors=True)
            if not found.exists():
                break
        number += 1
        found = target.with_name(f"{target.name}-{number}")
    return found


#: In a folder that is being copied to another disk, and in the copy until the old one is gone: which folder is the old one.
_MOVING = "sdgen-moving.json"


def _copied_from(folder: Path) -> Path | None:
    try:
        return Path(json.loads((folder / _MOVING).read_text(encoding="utf-8"))["from"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tidied(row: SessionRow) -> None:
    """End what a killed process left of a move to another disk: the ledger names the new folder, so the old one goes."""
    old = _copied_from(row.folder)
    if old is None:
        return
    if old != row.folder and _copied_from(old) == old:
        shutil.rmtree(old, ignore_errors=True)
        if _copied_from(old) == old:  # a program holds it: another time
            return
    (row.folder / _MOVING).unlink(missing_ok=True)


def _relocated(sessions: Sessions, row: SessionRow, target: Path, name: str) -> SessionRow:
    """Move the folder, then the ledger's word, then the old copy: whenever the process dies, a whole folder is there, and it is the
    ledger's, or ``found_folder`` finds it."""
    sessions.forget(row.id)
    copied = False
    if target != row.folder:
        try:
            row.folder.rename(target)
        except OSError:  # another disk, or a program holds a file on Windows
            copied = True
            _copy(row.folder, target)
    try:
        sessions.ledger.relocate(row.id, target, name)
    except BaseException:
        if copied:
            shutil.rmtree(target, ignore_errors=True)
            (row.folder / _MOVING).unlink(missing_ok=True)
        elif target != row.folder:
            with contextlib.suppress(OSError):
                target.rename(row.folder)
        raise
    if copied:
        _tidied(sessions.ledger.session(row.id))
        if row.folder.exists():
            log.warning("SDGen: the old folder of session %s could not be removed whole: %s", name, shown(row.folder))
    with manifest_may_wait(target):
        write_session_file(sessions.ledger, row.id)
    sessions.notify(row.id)
    return sessions.ledger.session(row.id)


def _copy(source: Path, target: Path) -> None:
    from .files import raise_write_error

    partial = target.with_name(target.name + ".moving")
    try:
        if partial.exists():
            shutil.rmtree(partial)
        (source / _MOVING).write_text(json.dumps({"from": str(source)}), encoding="utf-8")
        shutil.copytree(source, partial)
        for path in source.rglob("*"):
            if path.is_file() and path.stat().st_size != (partial / path.relative_to(source)).stat().st_size:
                raise OSError(f"{path.name} did not arrive whole")
        partial.rename(target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        (source / _MOVING).unlink(missing_ok=True)
        raise_write_error(error, target, "move the session to")


def take_in(sessions: Sessions, folder: Path) -> SessionRow:
    """Write a session into the ledger again from its folder: after the ledger was lost, or on another machine.

    Items are done when their file is there, whole and their own. The session is paused when something is left. A session that
    the ledger knows gets its folder's new place. Raises ``no-manifest`` when the folder does not say what was ordered.
    """
    ordered = read_session_file(folder)
    ledger = sessions.ledger
    known = ledger.find(named=ordered.id)
    if known is not None and known.id == ordered.id:
        if known.folder.resolve() != folder.resolve() and known.folder.is_dir():
            raise SDGenError(
                "bad-state", f"session {known.name} is in the ledger already, with the folder {shown(known.folder)}"
            )
        ledger.relocate(known.id, folder, ordered.name)
        sessions.forget(known.id)
        row = ledger.session(known.id)
    else:
        ledger.restore(
            session_id=ordered.id,
            key=ordered.key,
            name=ordered.name,
            prefix=ordered.prefix,
            folder=folder,
            parts=ordered.parts,
            items=ordered.items,
            created=ordered.created,
        )
        row = ledger.session(ordered.id)
    rebuild(folder)
    loaded = sessions.load(row.id)
    for item in ledger.items(row.id, "todo", "queued", "failed"):
        entries = loaded.found(item)
        if entries:
            first = entries[0]
            ledger.mark_done(row.id, item.idx, file=first["filename"], sha256=first["sdgen"]["sha256"])
    ledger.skip(row.id, removed_items(folder))
    row = sessions.finish_if_done(row.id)
    loaded = sessions.load(row.id)
    loaded.manifest.status(MANIFEST_STATUS[row.state])
    return row
