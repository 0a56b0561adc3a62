"""The feeder: keeps a small window of a session's items in ComfyUI's queue, and nothing more.

One thread. It talks to ComfyUI by URL, never to its queue object. A window is enough, since the next prompt has only to be there
when the last one ends; more would cost memory for every waiting prompt and hide the user's own work behind thousands.

The rules that keep a server alive: a prompt id is never used twice (ComfyUI's queue compares whole prompts when number and id
are equal, which kills its worker), and the history is emptied of our prompts (each keeps its graph in memory).

A prompt makes one item, or a group of items as a batch (see ``sessions.batching``). A group that fails is taken apart and its items
are made one by one: no item fails because of its neighbour. After an out-of-memory the session's batches are halved.

What an item's fate means: the save node marks it done. An error in the history → failed, go on. An interruption → the user
pressed Cancel → pause. Gone from queue and history → the queue was cleared → pause. Unknown is never done.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import SDGenError
from ..sessions.items import Child
from ..sessions.ledger import ItemRow, SessionRow
from ..sessions.service import Sessions
from .client import ComfyClient, failure

log = logging.getLogger("sdgen")

#: Lower numbers run first and ComfyUI counts its own from 0: whatever a person queues by hand goes before our items.
FIRST_NUMBER = 1_000_000_000

#: Prompts in ComfyUI's queue at a time. 4 hides the round trip even for images of 50 ms.
WINDOW = 4

#: Items among which a batch finds its like: parameters may change faster than prompts.
LOOK_AHEAD = 256

#: Groups that fail in a row, with none made between, before a session's items are no longer put together.
GROUPS_APART = 3

#: The same failure this often in a row, with no success between, is no accident of an item: the session pauses.
FAILURES_IN_A_ROW = 8

_POLL = 0.1  # s between looks at a prompt that may have failed
_LOST = 1.0  # s without progress before the queue is asked whether our prompts are still in it
_REFUSALS = 5  # answers that are no answer, in a row, before the session pauses
#: How torch, ComfyUI and Python say that memory ran out, on graphics cards and elsewhere.
_OUT_OF_MEMORY = re.compile(r"OutOfMemoryError|MemoryError|out of memory|can't allocate memory", re.IGNORECASE)
_IDLE = 5.0  # s between looks when nothing runs; a wake-up comes by event


@dataclass
class _Posted:
    items: tuple[int, ...]
    prompt_id: str
    sure: bool  # the server has said that it took the prompt


class Feeder:
    """Feeds the running sessions of ``sessions`` to the server that ``connect`` gives, oldest session first."""

    def __init__(self, sessions: Sessions, connect: Callable[[], ComfyClient | None], *, window: int = WINDOW) -> None:
        if not 1 <= window <= 8:
            raise SDGenError("bad-option", f"the feeder's window must be 1 to 8, not {window}")
        self._sessions = sessions
        self._ledger = sessions.ledger
        self._connect = connect
        self._window = window
        self._wake = threading.Event()
        self._stopping = False
        self._client: ComfyClient | None = None
        self._session: str | None = None
        self._posted: dict[str, _Posted] = {}
        self._finished: list[str] = []
        self._progressed = 0.0
        self._looked = 0.0
        self._same_failure: tuple[str, int] = ("", 0)
        #: What this session's batches are held to, and how many failed in a row.
        self._most = sys.maxsize
        self._apart = 0
        self._refusals = 0
        self._said = ""
        self._thread = threading.Thread(target=self._run, name="sdgen-feeder", daemon=True)
        sessions.changed.append(lambda _session: self._wake.set())

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; what is in the queue stays there."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=3)

    def _run(self) -> None:
        wait = 0.0
        while not self._stopping:
            self._wake.wait(wait)
            self._wake.clear()
            try:
                wait = self._step()
                self._said = ""
            except SDGenError as error:
                # The server is not up yet, or busy for long, or the disk is full: the ledger holds, so waiting costs nothing.
                if error.code != "no-server" and str(error) != self._said:
                    self._said = str(error)
                    log.warning("SDGen: %s", error)
                wait = 1.0
            except Exception:
                log.exception("SDGen: the feeder stumbled and goes on")
                wait = 2.0

    def _step(self) -> float:
        """One round: harvest, follow state changes, fill the window. Gives the seconds until the next one is worth it."""
        if self._client is None:
            self._client = self._connect()
            if self._client is None:
                return 0.2
        client = self._client
        if self._session is not None:
            self._harvest(client)
            row = self._sessions.finish_if_done(self._session)
            if row.state != "running":
                self._leave(client, row)
        row_or_none = self._ledger.next_in_line()
        if row_or_none is None and self._session is None:
            return _IDLE
        if self._session is None and row_or_none is not None:
            self._session = self._sessions.begin(row_or_none.id).id
            self._progressed = time.monotonic()
            self._same_failure = ("", 0)
            self._most, self._apart = sys.maxsize, 0
            self._refusals = 0
        assert self._session is not None
        self._fill(client)
        return _POLL

    # ---- harvest -----------------------------------------------------------------------------------------------------------

    def _harvest(self, client: ComfyClient) -> None:
        """Settle what became of the posted items."""
        assert self._session is not None
        queued = {row.idx for row in self._ledger.items(self._session, "queued")}
        # Queued in the ledger and unknown here: posting or settling was cut short, by a full disk for instance.
        self._ledger.put_back(self._session, queued.difference(*(p.items for p in self._posted.values())))
        for posted in [p for p in self._posted.values() if queued.isdisjoint(p.items)]:
            # Saved (or given back) meanwhile. The prompt may still be ending, so its history goes a little later.
            self._settle(posted)
            self._made(posted)
        now = time.monotonic()
        if self._posted and now - self._looked >= _POLL / 2:
            self._looked = now
            for posted in list(self._posted.values()):  # mostly the order they run in
                entry = client.history(posted.prompt_id)
                if entry is None:
                    if now - self._progressed < _LOST / 2:
                        break
                    continue  # a retried item has a lower number and overtakes, so after a while look at all
                self._settle_from_history(posted, failure(entry))
            if self._posted and now - self._progressed > _LOST:
                self._progressed = now
                self._look_for_lost(client)
        # A prompt has certainly ended once a later one was saved; the newest one may still be ending.
        if len(self._finished) > 1:
            client.forget(self._finished[:-1])
            del self._finished[:-1]

    def _settle(self, posted: _Posted) -> None:
        self._posted.pop(posted.prompt_id, None)
        self._finished.append(posted.prompt_id)
        self._progressed = time.monotonic()

    def _made(self, posted: _Posted) -> None:
        """A prompt did what it was to do: what failed before was not the session's fault."""
        self._same_failure = ("", 0)
        if len(posted.items) > 1:
            self._apart = 0

    def _settle_from_history(self, posted: _Posted, fate: tuple[str, str] | None) -> None:
        """The history knows the prompt, so it has ended; read the ledger again before blaming it."""
        assert self._session is not None
        self._settle(posted)
        left = self._queued(posted)
        if not left:
            self._made(posted)
            return
        if fate is not None and fate[0] == "interrupted":
            self._ledger.put_back(self._session, left)
            self._pause("Cancel was pressed")
            return
        code, message = ("node-error", fate[1]) if fate else ("not-saved", "the graph ended without saving this item")
        if len(posted.items) > 1:
            self._take_apart(posted, left, message)
        else:
            self._failed(left[0], code, message)

    def _queued(self, posted: _Posted) -> list[int]:
        """The items of a prompt that are neither saved nor given back."""
        assert self._session is not None
        return [idx for idx in posted.items if self._ledger.item(self._session, idx).state == "queued"]

    def _take_apart(self, posted: _Posted, left: list[int], why: str) -> None:
        """A group failed: its items are made one by one, each on its own account."""
        assert self._session is not None
        self._ledger.put_back(self._session, left)  # tried before, so they come back alone
        size = len(posted.items)
        log.warning("SDGen: a batch of %d images is made one by one, since together they failed: %s", size, why)
        if _OUT_OF_MEMORY.search(why):
            self._most = max(1, size // 2)
            log.warning("SDGen: memory was too small; session %s goes on with batches of %d", self._session, self._most)
            return
        self._apart += 1
        if self._apart == GROUPS_APART:
            self._most = 1
            log.warning("SDGen: session %s goes on without batches: %d failed in a row", self._session, self._apart)

    def _look_for_lost(self, client: ComfyClient) -> None:
        """Posted prompts that are in neither queue nor history: somebody cleared the queue, and means it."""
        assert self._session is not None
        there = set(client.queued_ids())
        # The queue was read before the history: a prompt that ended in between is found in the second.
        lost = [p for p in self._posted.values() if p.prompt_id not in there and client.history(p.prompt_id) is None]
        lost = [p for p in lost if self._queued(p)]
        for posted in lost:
            self._posted.pop(posted.prompt_id, None)
        self._ledger.put_back(self._session, [idx for p in lost for idx in self._queued(p)])
        if any(posted.sure for posted in lost):
            self._pause("the queue was cleared")

    def _failed(self, idx: int, code: str, message: str) -> None:
        assert self._session is not None
        self._sessions.item_failed(self._session, idx, code, message)
        last, times = self._same_failure
        self._same_failure = (message, times + 1 if message == last else 1)
        if self._same_failure[1] >= FAILURES_IN_A_ROW:
            advice = "Mend what it names, then retry the failed images"
            self._pause(f"{FAILURES_IN_A_ROW} images in a row failed alike: {message.rstrip('.')}. {advice}.")

    def _pause(self, reason: str) -> None:
        assert self._session is not None
        self._sessions.pause(self._session, reason)
        log.info("SDGen: session %s is paused: %s", self._session, reason)

    def _leave(self, client: ComfyClient, row: SessionRow) -> None:
        """The session no longer runs: take its waiting items out of the queue. A running item may still finish."""
        if self._posted:
            client.unqueue(list(self._posted))
            there = set(client.queued_ids())
            for posted in list(self._posted.values()):
                if posted.prompt_id not in there:
                    self._posted.pop(posted.prompt_id)
                    if client.history(posted.prompt_id) is None:
                        self._ledger.put_back(row.id, posted.items)
                    else:
                        self._finished.append(posted.prompt_id)
        if self._posted:
            return
        if self._finished:
            # The last image is saved a moment before its prompt ends; its history can go only then.
            last = self._finished[-1]
            if client.history(last) is None and last in client.queued_ids():
                return
            client.forget(self._finished)
            self._finished = []
        # What an ended prompt left queued was neither saved nor reported: it is to be made again.
        self._ledger.put_back(row.id)
        self._session = None

    # ---- fill --------------------------------------------------------------------------------------------------------------

    def _fill(self, client: ComfyClient) -> None:
        """Post prompts until the window is full."""
        assert self._session is not None
        free = self._window - len(self._posted)
        if free <= 0 or self._ledger.session(self._session).state != "running":
            return
        session = self._session
        size = min(self._sessions.batch(session), self._most)
        todo = self._ledger.items(session, "todo", limit=free if size == 1 else max(free * size, LOOK_AHEAD))
        if not todo:
            return
        groups = {uuid.uuid4().hex: rows for rows in self._sessions.groups(session, todo, size)[:free]}
        attempts = self._ledger.mark_queued(
            session, {row.idx: prompt_id for prompt_id, rows in groups.items() for row in rows}
        )
        # What somebody took out of the plan in this moment is not queued.
        groups = {prompt_id: [row for row in rows if row.idx in attempts] for prompt_id, rows in groups.items()}
        waiting = set(attempts)
        try:
            for prompt_id, rows in groups.items():
                if not rows:
                    continue
                if self._ledger.session(session).state != "running":
                    return
                indexes = {row.idx for row in rows}
                try:
                    self._post(client, prompt_id, rows, self._sessions.child(rows, attempts))
                except SDGenError as error:
                    if error.code == "no-server":
                        waiting -= indexes  # it may have arrived all the same: the next harvest finds out
                        raise
                    if error.code == "server-error":
                        self._refused(error)
                        raise
                    if len(rows) == 1:
                        self._failed(rows[0].idx, error.code, str(error))
                    else:
                        self._take_apart(_Posted(tuple(indexes), prompt_id, sure=False), list(indexes), str(error))
                self._refusals = 0
                waiting -= indexes
        finally:
            self._ledger.put_back(session, waiting)

    def _post(self, client: ComfyClient, prompt_id: str, rows: Sequence[ItemRow], child: Child) -> None:
        body: dict[str, object] = {
            "prompt": child.prompt,
            "prompt_id": prompt_id,
            "number": FIRST_NUMBER + rows[0].idx,
            "extra_data": child.extra_data,
        }
        browser = self._ledger.session(rows[0].session).client
        if browser:
            body["client_id"] = browser
        if not self._posted:
            self._progressed = time.monotonic()
        posted = self._posted[prompt_id] = _Posted(tuple(row.idx for row in rows), prompt_id, sure=False)
        try:
            client.queue_prompt(body)
        except SDGenError as error:
            if error.code != "no-server":
                del self._posted[prompt_id]
            raise
        posted.sure = True

    def _refused(self, error: SDGenError) -> None:
        """The server answers, but not as ComfyUI does (a login page, a proxy): not the item's fault, and it will not pass."""
        self._refusals += 1
        if self._refusals >= _REFUSALS:
            self._refusals = 0
            self._pause(str(error))
