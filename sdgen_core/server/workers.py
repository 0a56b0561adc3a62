"""The threads in which routes are answered, and how they leave the interpreter to an event loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

#: More of them answer no quicker, for they take turns, and have the event loop wait longer.
_QUICK = 2
#: Of these some wait for disks, for minutes even.
_SLOW = 4
#: Seconds after which a thread of ours leaves the interpreter to another one that waits for it.
_TURN = 0.0005


class Workers:
    """Threads of our own: asyncio's are ComfyUI's. Quick work waits for no slow one.

    Whoever waits for the interpreter, such as an event loop whose socket has something to say, has it after the interval of
    ``sys.setswitchinterval``, which is 5 ms unless somebody set another one, for every thread that works before it. While a thread
    of ours works, turns are shorter.
    """

    def __init__(self) -> None:
        self._quick = ThreadPoolExecutor(_QUICK, "sdgen-route")
        self._slow = ThreadPoolExecutor(_SLOW, "sdgen-slow-route")
        self._lock = threading.Lock()
        self._working = 0
        self._usual = 0.0

    async def run(self, work: Callable[[], T], *, slow: bool = False) -> T:
        """What ``work`` gives, from a thread."""
        pool = self._slow if slow else self._quick
        return await asyncio.get_running_loop().run_in_executor(pool, self._work, work)

    def close(self) -> None:
        """Begin nothing new, and wait for what runs."""
        for pool in (self._quick, self._slow):
            pool.shutdown(cancel_futures=True)

    def _work(self, work: Callable[[], T]) -> T:
        with self._lock:
            self._working += 1
            if self._working == 1:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(min(_TURN, self._usual))
        try:
            return work()
        finally:
            with self._lock:
                self._working -= 1
                if self._working == 0:
                    sys.setswitchinterval(self._usual)
