"""The panel's application as a page of its own: the built files of ``web/dist`` beside this package."""

from __future__ import annotations

import functools
import zlib
from pathlib import Path

from .answers import Answer

DIST = Path(__file__).resolve().parents[2] / "web" / "dist"

_START = "alone.html"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
#: Everything comes from this server; colours and sizes are set through the style sheet's own interface.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@functools.cache
def _files() -> dict[str, Path]:
    """Name -> path of the page and its chunks: what is not in here is not served."""
    every = [DIST / _START, *DIST.glob("chunks/*"), *DIST.glob("assets/*")]
    return {path.relative_to(DIST).as_posix(): path for path in every if path.suffix in _TYPES and path.is_file()}


@functools.cache
def _content(name: str) -> tuple[bytes, bytes]:
    """A file's content, plain and packed; packed when it is first asked for, for most chunks hardly ever are."""
    data = _files()[name].read_bytes()
    packer = zlib.compressobj(level=9, wbits=31)
    return data, packer.compress(data) + packer.flush()


def page_file(name: str, packs: bool) -> Answer | None:
    """A file of the page, "" being the page itself; None when there is none of that name, or no build of the application at all.

    ``packs``: the browser takes gzip. Chunks are named by their content, so what is at their addresses never changes.
    """
    name = name or _START
    if name not in _files():
        return None
    headers = {
        "Content-Type": _TYPES[name[name.rindex(".") :]],
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding",
        "Cache-Control": "no-cache" if name == _START else "private, max-age=31536000, immutable",
    }
    if name == _START:
        headers["Content-Security-Policy"] = _POLICY
    content = _content(name)[packs]
    if packs:
        headers |= {"Content-Encoding": "gzip", "Content-Length": str(len(content))}
    return Answer(headers, content)
