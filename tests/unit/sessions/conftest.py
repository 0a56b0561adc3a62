"""A sessions service on a real ledger, real templates and real files; only ComfyUI is not needed here."""

import pytest
from PIL import Image

from sdgen_core.sessions.items import Host
from sdgen_core.sessions.ledger import Ledger
from sdgen_core.sessions.ordering import SessionRequest
from sdgen_core.sessions.parameters import Parameters
from sdgen_core.sessions.plan import Plan
from sdgen_core.sessions.service import Sessions
from sdgen_core.templates import load_text

TEMPLATE = """
name: cats
prompt: "a {Colour} cat"
negative_prompt: blurry
imports: {Colour: {r: red, g: green, b: blue, w: white}}
generation: {mode: combinatorial, seed: 7, seed_mode: progressive, max_images: %d}
parameters: {width: 64, height: 64, sampler: Euler a}
"""


def graph(**save):
    return {
        "1": {"class_type": "SDGenTemplate", "inputs": {}},
        "2": {"class_type": "SDGenSessionPlan", "inputs": {"template": ["1", 0]}},
        "3": {"class_type": "Draw", "inputs": {"text": ["2", 0], "seed": ["2", 2], "ckpt_name": "m.safetensors"}},
        "4": {"class_type": "SDGenSessionSave", "inputs": {"images": ["3", 0], "file_name": ["2", 10], **save}},
    }


@pytest.fixture
def make(tmp_path):
    opened = []

    def open_sessions(model: bytes | None = b"weights"):
        path = tmp_path / "m.safetensors"
        if model is not None:
            path.write_bytes(model)
        host = Host(
            lambda: ["euler", "euler_ancestral"],
            lambda: ["normal", "simple"],
            lambda name: path if path.is_file() else None,
        )
        sessions = Sessions(Ledger(tmp_path / "user" / "ledger.db"), tmp_path / "out", host, user_dir=tmp_path / "user")
        opened.append(sessions)
        return sessions

    yield open_sessions
    for sessions in opened:
        sessions.close()


def request(text=TEMPLATE % -1, **options):
    plan = Plan.build(load_text(text))
    return SessionRequest(**{"plan": plan, "graph": graph(), "planner": "2", "defaults": Parameters(), **options})


def make_item(sessions, session, idx, size=1):
    """What ComfyUI would do with one item: take its child prompt, draw, save."""
    attempt = sessions.ledger.mark_queued(session, {idx: f"p{idx}"}).get(idx, 1)
    child = sessions.child([sessions.ledger.item(session, idx)], {idx: attempt})
    images = [Image.new("RGB", (8, 8), (child.prompt["3"]["inputs"]["seed"] % 256, n, 0)) for n in range(size)]
    return sessions.save(child.prompt["4"]["inputs"]["item"], images, child.prompt, child.extra_data["extra_pnginfo"])
