"""`sdgen sessions … --user-dir`: the commands on a ledger whose ComfyUI does not run."""

import json

import pytest
from typer.testing import CliRunner

from sdgen_core.cli.sessions import app

from .conftest import TEMPLATE, make_item, request


@pytest.fixture
def run(make, tmp_path):
    sessions = make()
    row = sessions.submit(request(TEMPLATE % 2)).session
    for item in sessions.ledger.items(row.id):
        make_item(sessions, row.id, item.idx)
    sessions.finish_if_done(row.id)
    sessions.close()

    def command(name, *arguments):
        result = CliRunner().invoke(app, [name, "cats", *arguments, "--user-dir", str(tmp_path / "user"), "--json"])
        return result.exit_code, json.loads(result.stdout_bytes)

    return command


@pytest.mark.parametrize(("option", "added"), [(("--more", "2"), 2), (("--seeds", "90-91"), 4)])
def test_a_session_is_extended_by_images_or_by_seeds(run, option, added):
    code, answer = run("extend", *option)
    assert code == 0, answer
    assert (answer["added"], answer["planned"], answer["left"]) == (added, 2 + added, added)
    code, answer = run("shrink", "2")
    assert (code, answer["removed"], answer["state"]) == (0, added, "completed")


def test_extending_needs_to_know_by_what(run):
    code, answer = run("extend")
    assert (code, answer["error"]) == (1, "bad-option")
    assert run("show")[1]["planned"] == 2
