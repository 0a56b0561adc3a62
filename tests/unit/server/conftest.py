"""A running server that the tests of a file share, and new ones."""

from __future__ import annotations

import pytest

from .running import Running


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A server whose library tests may judge, but not break."""
    with Running(tmp_path_factory.mktemp("gallery")) as running:
        yield running


@pytest.fixture
def start(tmp_path):
    """``start(token=…, host=…)``: a server of the test's own."""
    begun = []

    def begin(**options):
        folder = tmp_path / f"server{len(begun)}"
        folder.mkdir()
        begun.append(Running(folder, **options).__enter__())
        return begun[-1]

    yield begin
    for running in begun:
        running.__exit__()
