"""Yes or no from a model server: reading answers, and everything that a server can do wrong, over a real port.

The server is ``FakeVlmServer``: the exchange is real, the model is not.
"""

from __future__ import annotations

import asyncio
import math
import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from sdgen_core.errors import SDGenError
from sdgen_core.scoring.vlm import ask as vlm
from sdgen_core.scoring.vlm import client as vlm_client
from sdgen_core.scoring.vlm import http as vlm_http
from sdgen_core.scoring.vlm.address import base_url, is_near
from sdgen_core.scoring.vlm.answers import LEAST_MASS, after_thinking, mass, read
from sdgen_core.scoring.vlm.ask import Ask, ask_all, data_url, model_name
from sdgen_core.scoring.vlm.settings import VlmSettings
from tests.unit.scoring.vlm_server import FakeVlmServer, Reply, chat, error, yes


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(vlm_client, "_BACK_OFF", 0.01)


def picture(key="a", size=(64, 48)):
    return Image.new("RGB", size, (200, 30, 30))


def settings(server, **more):
    return VlmSettings(url=server.url, **{"model": "tiny-vlm", "timeout_s": 30, **more})


def ask(wanted, *asks, open_image=picture, **more):
    """All answers, and the error that ended it."""
    out, ended = {}, None
    asks = asks or (Ask("a", "Is it red? Answer yes or no."),)
    try:
        ask_all(wanted, asks, open_image, lambda question, verdict: out.__setitem__(question, verdict), **more)
    except SDGenError as stopped:
        ended = stopped
    return out, ended


def one(server, **more):
    """The verdict, or the error, of a single question."""
    out, ended = ask(settings(server, **more))
    return ended or next(iter(out.values()))


# ---- reading answers -------------------------------------------------------------------------------------------------------


def test_the_probability_is_the_share_of_yes_among_yes_and_no():
    verdict = read(chat("Yes", {"Yes": 0.5, "No": 0.2, " yes": 0.1, "The": 0.2}).body["choices"][0], 0.85)
    assert verdict.basis == "tokens"
    assert verdict.probability == pytest.approx(0.6 / 0.8)


@pytest.mark.parametrize(
    "token", ["Yes", " yes", "YES", "▁Yes", "Ġyes", "\nYes", '"Yes', "Oui", " oui", "Y", "**Yes", "yes."]
)
def test_every_way_to_write_yes_counts(token):
    assert mass([(token, math.log(0.5)), ("The", -1.0)]) == (pytest.approx(0.5), 0.0)


@pytest.mark.parametrize("token", ["No", " no", "NO", "▁No", "Ġno", "Non", " non", "N", "no,"])
def test_every_way_to_write_no_counts(token):
    assert mass([(token, math.log(0.5)), ("The", -1.0)]) == (0.0, pytest.approx(0.5))


@pytest.mark.parametrize("token", ["None", "Not", "Yesterday", "Nothing", "Nowhere", "", " ", "O", "yesno"])
def test_words_that_only_begin_so_do_not(token):
    assert mass([(token, -0.1)]) == (0.0, 0.0)


tokens = st.sampled_from(["Yes", " yes", "NO", " non", "Oui", "The", "\n", "Maybe", "N", "▁no"])


@given(st.lists(st.tuples(tokens, st.floats(-40, 0)), max_size=20))
def test_mass_is_never_negative_and_does_not_know_an_order(top):
    said = mass(top)
    assert min(said) >= 0
    assert mass(list(reversed(top))) == pytest.approx(said)


@given(st.lists(st.tuples(st.text(max_size=6), st.floats(allow_nan=True, allow_infinity=True)), max_size=12))
def test_no_number_breaks_the_reading(top):
    assert all(math.isfinite(part) and part >= 0 for part in mass(top))


@given(st.floats(0.01, 0.98), st.floats(0.01, 0.98))
def test_more_yes_is_a_higher_probability_and_swapping_the_words_turns_it_round(p, q):
    p, q = p / 2, q / 2
    here = read(chat("Yes", {"Yes": p, "No": q}).body["choices"][0], 0.85)
    there = read(chat("No", {"No": p, "Yes": q}).body["choices"][0], 0.85)
    if p + q >= LEAST_MASS:
        assert here.probability == pytest.approx(p / (p + q))
        assert there.probability == pytest.approx(1 - here.probability)
        more = read(chat("Yes", {"Yes": min(0.99, p * 1.5), "No": q}).body["choices"][0], 0.85)
        assert more.probability >= here.probability - 1e-12


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["message", "content", "logprobs", "token", "logprob", "top_logprobs", "text", "refusal", "finish_reason"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["message", "logprobs", "finish_reason", "text"]), json_like, max_size=4))
def test_anything_is_read_without_an_error(choice):
    verdict = read(choice, 0.85)
    assert (verdict.probability is None) == bool(verdict.reason)


@pytest.mark.parametrize(
    ("text", "probability"),
    [("Yes.", 0.85), ("no", 0.15), ("Oui, la robe est rouge", 0.85), ("**No**", 0.15), ("The answer is: yes.", 0.85),
     ("Non", 0.15), ("No, I cannot see a hat in it.", 0.15)],
)  # fmt: skip
def test_a_bare_word_has_a_fixed_probability(text, probability):
    verdict = read(chat(text).body["choices"][0], 0.85)
    assert verdict.basis == "text"
    assert verdict.probability == pytest.approx(probability)


@pytest.mark.parametrize(
    "text",
    ["I'm sorry, but I can't assist with that.", "I cannot help with this request", "As an AI, I do not judge images", "Sorry, no",
     "Je suis désolé, je ne peux pas répondre.", "No, I can't help with that", "I am unable to describe people", "I won’t describe it"],
)  # fmt: skip
def test_a_refusal_is_no_answer(text):
    verdict = read(chat(text).body["choices"][0], 0.85)
    assert (verdict.probability, verdict.reason) == (None, "refused")


def test_a_refusal_in_its_own_field_is_one_too():
    assert read(chat("", refusal="I can't.").body["choices"][0], 0.85).reason == "refused"
    assert read(chat("", finish="content_filter").body["choices"][0], 0.85).reason == "refused"


@pytest.mark.parametrize("text", ["The image shows a woman.", "Maybe", "42", "", "yesterday it rained"])
def test_neither_yes_nor_no_is_unclear(text):
    assert read(chat(text).body["choices"][0], 0.85).reason == "unclear"


def test_little_mass_on_yes_and_no_is_no_answer():
    verdict = read(chat("A woman", {"A": 0.9, "Yes": 0.1}, {" woman": 1.0}).body["choices"][0], 0.85)
    assert (verdict.probability, verdict.reason) == (None, "unclear")


def test_what_is_thought_does_not_count():
    thought = [{"<think>": 1.0}, {"Yes": 0.4, "No": 0.6}, {" or no hat": 1.0}, {"</think>": 1.0}]
    tops = [*thought, {"\n\n": 1.0}, {"Yes": 0.7, "No": 0.3}]
    whole = "".join(next(iter(top)) for top in tops)
    assert read(chat(whole, *tops).body["choices"][0], 0.85).probability == pytest.approx(0.7)
    # a server that takes the thinking out of the text leaves its tokens in the list
    assert read(chat("Yes", *tops, reasoning_content="No hat").body["choices"][0], 0.85).probability == pytest.approx(
        0.7
    )
    assert read(chat(whole).body["choices"][0], 0.85).probability == 0.85


def test_thinking_that_never_ends_is_not_an_answer():
    assert after_thinking("<think>Yes, I see") == ""
    assert after_thinking("I see</think> No") == "No"
    assert after_thinking("◁think▷hm◁/think▷Yes") == "Yes"
    assert read(chat("<think>Yes, I see", finish="length").body["choices"][0], 0.85).reason == "unfinished"
    assert read(chat("", finish="length").body["choices"][0], 0.85).reason == "unfinished"


def test_the_probability_of_the_word_alone_is_used_without_candidates():
    choice = chat("No").body["choices"][0]
    choice["logprobs"] = {"content": [{"token": "No", "logprob": math.log(0.8), "top_logprobs": []}]}
    assert read(choice, 0.85).probability == pytest.approx(0.2)


# ---- where a server may be ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "url"),
    [("localhost:11434", "http://localhost:11434/v1"), ("http://127.0.0.1:1234/", "http://127.0.0.1:1234/v1"),
     ("https://host/api/v1/chat/completions", "https://host/api/v1"), ("http://[::1]:8000/v1/", "http://[::1]:8000/v1")],
)  # fmt: skip
def test_addresses_are_completed(given, url):
    assert base_url(given) == url
    assert base_url(url) == url


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ftp://host",
        "http://",
        "http://a:b@host/v1",
        "http://8.526344",
        "http://2130706433",
        "http://host:port",
        "a b",
    ],
)
def test_what_is_no_address_is_refused(given):
    with pytest.raises(SDGenError) as caught:
        base_url(given)
    assert caught.value.code == "bad-option"
    with pytest.raises(ValidationError):
        VlmSettings(url=given)


@pytest.mark.parametrize(
    ("address", "near"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("10.1.2.3", True), ("172.31.0.1", True), ("192.168.1.9", True), ("::1", True),
     ("fd00::5", True), ("fe80::1%eth0", True), ("::ffff:192.168.0.1", True), ("8.8.8.8", False), ("172.32.0.1", False),
     ("100.64.0.1", False), ("::ffff:8.8.8.8", False), ("2001:db8::1", False), ("64:ff9b::a00:1", False), ("0.0.0.0", False),
     ("198.18.0.1", False), ("example", False)],
)  # fmt: skip
def test_near_is_this_machine_and_private_networks(address, near):
    assert is_near(address) is near


@pytest.mark.parametrize("host", ["8.8.8.8", "[2001:db8::1]", "100.64.0.1"])
def test_an_address_elsewhere_is_refused_before_anything_is_sent(host):
    out, ended = ask(VlmSettings(url=f"http://{host}:9/v1", model="m"))
    assert (out, ended.code) == ({}, "vlm-remote")


def resolved_as(monkeypatch, *addresses):
    real = socket.getaddrinfo

    def lookup(host, port, *rest, **more):
        if host == "models.example":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]
        return real(host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)


def test_a_name_that_means_another_place_is_refused(monkeypatch):
    resolved_as(monkeypatch, "93.184.216.34")
    out, ended = ask(VlmSettings(url="http://models.example:9/v1", model="m"))
    assert (out[Ask("a", "Is it red? Answer yes or no.")].code, ended.code) == ("vlm-remote", "vlm-remote")
    assert "remote" in ended.hint


def test_of_a_name_only_the_near_addresses_are_used(monkeypatch):
    resolved_as(monkeypatch, "93.184.216.34", "127.0.0.1")
    with FakeVlmServer(lambda request: yes()) as server:
        out, ended = ask(VlmSettings(url=f"http://models.example:{server.port}/v1", model="m"))
    assert ended is None
    assert next(iter(out.values())).probability > 0.8


def test_nothing_goes_through_a_proxy_of_the_environment(monkeypatch):
    with FakeVlmServer(lambda request: yes()) as server, FakeVlmServer(lambda request: yes()) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert one(server).probability > 0.8
        assert proxy.requests == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status):
    with FakeVlmServer(lambda request: yes()) as other:
        to = {"Location": f"http://localhost:{other.port}/v1/chat/completions?key=secret"}
        with FakeVlmServer(lambda request: Reply({}, status, to)) as server:
            found = one(server)
    assert found.code == "vlm-redirected"
    assert "http://localhost" in str(found)
    assert "secret" not in str(found)
    assert other.requests == []


def test_a_misspelt_setting_is_refused():
    with pytest.raises(ValidationError):
        VlmSettings(url="http://localhost:1", remotes=True)
    with pytest.raises(ValidationError):
        VlmSettings(url="http://localhost:1", questions={"hair": "Is it hair?"})


# ---- the key -------------------------------------------------------------------------------------------------------------------


def test_the_key_is_sent_and_never_shown(monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    with FakeVlmServer(lambda request: error(401, "Incorrect API key provided: sk-very-secret")) as server:
        found = one(server, api_key_env="MY_KEY")
    assert found.code == "vlm-key-refused"
    assert "sk-very-secret" not in str(found) + repr(found) + repr(settings(server, api_key_env="MY_KEY").wire())
    assert server.asked[0].headers["Authorization"] == "Bearer sk-very-secret"


@pytest.mark.parametrize("value", [None, "", "  ", "two\nlines", "clé"])
def test_a_key_that_is_not_there_or_no_key_is_named(monkeypatch, value):
    monkeypatch.delenv("MY_KEY", raising=False)
    with FakeVlmServer(lambda request: yes()) as server:
        with pytest.raises(SDGenError) as caught:
            settings(server, api_key_env="MY_KEY").wire({} if value is None else {"MY_KEY": value})
        assert caught.value.code == "vlm-no-key"
        assert "MY_KEY" in str(caught.value)


def test_a_key_does_not_travel_unprotected():
    far = VlmSettings(url="http://8.8.8.8/v1", remote=True, api_key_env="K")
    with pytest.raises(SDGenError) as caught:
        far.wire({"K": "secret"})
    assert caught.value.code == "vlm-remote"
    assert VlmSettings(url="https://8.8.8.8/v1", remote=True, api_key_env="K").wire({"K": "secret"}).key == "secret"


# ---- what is sent ------------------------------------------------------------------------------------------------------------


def test_an_image_is_sent_small_with_its_question():
    with FakeVlmServer(lambda request: yes(0.9)) as server:
        out, ended = ask(settings(server, image_side=128), open_image=lambda key: Image.new("RGBA", (1000, 500), "red"))
    assert ended is None
    assert next(iter(out.values())).probability == pytest.approx(0.9 / 0.98)
    sent = server.asked[0]
    assert (sent.image.format, sent.image.size) == ("JPEG", (128, 64))
    assert sent.path == "/v1/chat/completions"
    assert sent.question == "Is it red? Answer yes or no."
    assert sent.body["model"] == "tiny-vlm"
    assert (sent.body["temperature"], sent.body["logprobs"], sent.body["top_logprobs"]) == (0, True, 20)
    assert sent.body["max_tokens"] < 50
    assert "Authorization" not in sent.headers


def test_a_small_image_is_not_enlarged_and_no_mode_is_a_problem():
    for mode in ("RGB", "RGBA", "L", "P", "1", "CMYK", "I;16", "F"):
        assert data_url(Image.new(mode, (20, 10)), 768).startswith("data:image/jpeg;base64,")


def test_questions_by_kind_and_of_ones_own():
    wanted = VlmSettings(url="localhost:1", questions={"style": "Le style est-il {value} ? Réponds par oui ou non."})
    assert wanted.question("object", "a {red}\n  ball") == "Does this image show a {red} ball? Answer yes or no."
    assert wanted.question("clothing", "a coat") == "Does this image show a person wearing a coat? Answer yes or no."
    assert wanted.question("style", "baroque") == "Le style est-il baroque ? Réponds par oui ou non."


def test_the_values_of_an_image_are_asked_one_after_the_other_and_it_is_opened_once():
    opened = []
    asks = [Ask(key, f"{value}?") for value in "xyz" for key in "ab"]
    with FakeVlmServer(lambda request: yes()) as server:
        out, _ = ask(settings(server, concurrency=1), *asks, open_image=lambda key: opened.append(key) or picture())
    assert opened == ["a", "b"]
    assert [request.question for request in server.asked] == ["x?", "y?", "z?"] * 2
    assert set(out) == set(asks)


def test_no_more_images_at_once_than_the_settings_say():
    with FakeVlmServer(lambda request: Reply(yes().body, delay=0.03)) as server:
        ask(settings(server, concurrency=3), *(Ask(str(n), "?") for n in range(12)))
    assert server.busiest == 3


# ---- what a server can do wrong -----------------------------------------------------------------------------------------------


def test_nobody_answers():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        _, ended = ask(VlmSettings(url=url, model="m", retries=1))
    assert ended.code == "vlm-unreachable"
    assert url in str(ended)


def test_a_name_that_nobody_knows(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    _, ended = ask(VlmSettings(url="http://no-such-host.invalid:1/v1", model="m", retries=0))
    assert ended.code == "vlm-unreachable"


def test_a_server_that_dies_in_the_middle_ends_it_with_what_was_answered():
    server = FakeVlmServer(lambda request: yes())
    asks = [Ask(str(n), "?") for n in range(5)]
    out = {}

    def answered(question, verdict):
        out[question] = verdict
        if len(out) == 2:
            server.answer = lambda request: Reply(hang_up=True)

    with server, pytest.raises(SDGenError) as caught:
        ask_all(settings(server, concurrency=1, retries=1), asks, picture, answered)
    assert caught.value.code in ("vlm-unreachable", "vlm-nonsense")
    assert [asks[0] in out, asks[1] in out, asks[4] in out] == [True, True, False]


def test_a_slow_server_times_out():
    with FakeVlmServer(lambda request: Reply(yes().body, delay=1)) as server:
        found = one(server, timeout_s=0.1, retries=1)
    assert found.code == "vlm-timeout"
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_passing_failure_is_tried_again(status):
    replies = [error(status, "busy"), error(status, "busy"), yes()]
    with FakeVlmServer(lambda request: replies.pop(0)) as server:
        assert one(server).probability > 0.8
    assert len(server.asked) == 3


@pytest.mark.parametrize(("status", "code"), [(429, "vlm-busy"), (500, "vlm-failed"), (503, "vlm-failed")])
def test_a_lasting_one_is_named(status, code):
    with FakeVlmServer(lambda request: error(status, "GPU on fire")) as server:
        found = one(server, retries=1)
    assert found.code == code
    assert "GPU on fire" in str(found)
    assert len(server.asked) == 2


def test_a_server_may_say_how_long_to_wait():
    replies = [error(429, "slow down", Retry_After="1"), yes()]
    with FakeVlmServer(lambda request: replies.pop(0)) as server:
        begun = time.monotonic()
        assert one(server).probability > 0.8
        assert time.monotonic() - begun >= 1
    with FakeVlmServer(lambda request: error(429, "come back tomorrow", Retry_After="86400")) as server:
        assert one(server).code == "vlm-busy"
        assert len(server.asked) == 1


def test_an_unknown_model_is_named_with_the_nearest():
    with FakeVlmServer(lambda request: error(404, "model 'llava' not found"), models=("llava:7b", "qwen-vl")) as server:
        found = one(server, model="llava")
    assert found.code == "vlm-unknown-model"
    assert found.nearest == ["llava:7b"]
    assert "qwen-vl" in str(found)


def test_without_a_model_in_the_settings_the_only_one_is_taken():
    with FakeVlmServer(lambda request: yes()) as server:
        assert model_name(settings(server, model="")) == "tiny-vlm"
        assert one(server, model="").probability > 0.8
        assert server.asked[0].body["model"] == "tiny-vlm"
        server.models = ("a", "b")
        assert one(server, model="").code == "vlm-unknown-model"
        server.models = ()
        assert "it has none" in str(one(server, model=""))


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(b"<html><body>Router login</body></html>"), "vlm-no-api"),
        (Reply(b"<html>404</html>", 404), "vlm-no-api"),
        (error(403, "forbidden"), "vlm-key-refused"),
        (error(413, "request entity too large"), "vlm-too-large"),
        (error(400, "prompt is too long"), "vlm-bad-request"),
        (error(500, "image input is not supported - hint: you may need to provide the mmproj"), "vlm-no-images"),
        (error(400, "Model does not support images"), "vlm-no-images"),
        (error(400, "tiny is not a multimodal model"), "vlm-no-images"),
        (error(500, 'Unsupported content part type: "image_url"'), "vlm-no-images"),
        (error(500, "the vision encoder ran out of memory"), "vlm-failed"),
        (error(400, f"{'x' * 500} logprobs"), "vlm-bad-request"),
        (Reply({"detail": "unknown model"}, 400), "vlm-unknown-model"),
        (Reply({"error": "out of memory"}), "vlm-failed"),
        (Reply(b"hello"), "vlm-nonsense"),
        (Reply(b""), "vlm-nonsense"),
        (Reply(b"\xff\xfe\x00"), "vlm-nonsense"),
        (Reply(b"[" * 100_000), "vlm-nonsense"),
        (Reply([1]), "vlm-nonsense"),
        (Reply({}), "vlm-nonsense"),
        (Reply({"choices": []}), "vlm-nonsense"),
        (Reply({"choices": ["yes"]}), "vlm-nonsense"),
        (Reply(b"{}", headers={"Content-Length": "100"}), "vlm-timeout"),
        (Reply(b"{}", headers={"Content-Encoding": "gzip"}), "vlm-nonsense"),
    ],
)
def test_other_bad_answers_are_named(reply, code):
    with FakeVlmServer(lambda request: reply) as server:
        found = one(server, retries=0, timeout_s=1 if code == "vlm-timeout" else 30)
    assert found.code == code
    assert server.url in str(found)


def test_a_huge_answer_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(vlm_http, "LARGEST_ANSWER", 1 << 20)
    with FakeVlmServer(lambda request: Reply(b" " * (8 << 20))) as server:
        found = one(server, retries=0)
    assert found.code == "vlm-nonsense"
    assert "larger than 1 MB" in str(found)


def test_a_filter_of_the_server_is_a_refusal():
    with FakeVlmServer(lambda request: error(400, "blocked by our content management policy")) as server:
        assert one(server).reason == "refused"


@pytest.mark.parametrize(
    ("complaint", "gone", "there"),
    [
        ("Unsupported parameter: 'logprobs'", "logprobs", {}),
        ("top_logprobs must be at most 5", "", {"top_logprobs": 5}),
        ("Use 'max_completion_tokens' instead of 'max_tokens'", "max_tokens", {"max_completion_tokens": 16}),
        ("temperature does not support 0", "temperature", {}),
    ],
)
def test_an_option_that_a_server_does_not_take_is_left_out_from_then_on(complaint, gone, there):
    def answer(request):
        fits = gone not in request.body and there.items() <= request.body.items()
        return yes() if fits else error(400, complaint)

    with FakeVlmServer(answer) as server:
        out, ended = ask(settings(server, concurrency=1, retries=0), *(Ask(str(n), "?") for n in range(3)))
    assert ended is None
    assert all(verdict.probability > 0.8 for verdict in out.values())
    assert len(server.asked) == 4


def test_a_complaint_that_never_ends_ends_all_the_same():
    with FakeVlmServer(lambda request: error(400, "logprobs max_completion_tokens temperature")) as server:
        assert one(server, retries=0).code == "vlm-bad-request"
    assert len(server.asked) < 8


def test_a_model_that_thinks_gets_room_for_it():
    def answer(request):
        return chat("<think>hm", finish="length") if request.body["max_tokens"] < 1000 else chat("<think>hm</think>No")

    with FakeVlmServer(answer) as server:
        out, _ = ask(settings(server, concurrency=1), Ask("a", "?"), Ask("b", "?"))
    assert [verdict.probability for verdict in out.values()] == [pytest.approx(0.15)] * 2
    assert len(server.asked) == 3  # learnt once
    with FakeVlmServer(lambda request: chat("<think>hm", finish="length")) as server:
        assert one(server).reason == "unfinished"
    assert len(server.asked) == 2


def test_failures_in_a_row_end_it_and_single_ones_do_not():
    with FakeVlmServer(lambda request: Reply(b"hm")) as server:
        out, ended = ask(settings(server, concurrency=1), *(Ask(str(n), "?") for n in range(20)))
    assert ended.code == "vlm-nonsense"
    assert "5 failures in a row" in str(ended)
    assert len(out) == 5
    turns = iter(range(1000))
    with FakeVlmServer(lambda request: yes() if next(turns) % 3 else Reply(b"hm")) as server:
        out, ended = ask(settings(server, concurrency=1), *(Ask(str(n), "?") for n in range(20)))
    assert ended is None
    assert sum(isinstance(verdict, SDGenError) for verdict in out.values()) == 7


def test_an_image_that_cannot_be_opened_is_named_and_the_others_are_asked():
    def open_image(key):
        if key == "b":
            raise OSError("cut off")
        return picture()

    with FakeVlmServer(lambda request: yes()) as server:
        out, ended = ask(settings(server), *(Ask(key, "?") for key in "abc"), open_image=open_image)
    assert ended is None
    assert out[Ask("b", "?")].code == "broken-image"
    assert out[Ask("c", "?")].probability > 0.8


def test_stopping_does_not_wait_for_the_server():
    stop = threading.Event()
    with FakeVlmServer(lambda request: stop.set() or Reply(yes().body, delay=3)) as server:
        begun = time.monotonic()
        out, ended = ask(settings(server), Ask("a", "?"), stopped=stop.is_set)
        assert time.monotonic() - begun < 2
    assert (out, ended) == ({}, None)


def test_it_works_inside_an_event_loop_as_nodes_run_in_one():
    async def node(server):
        return one(server), model_name(settings(server, model=""))

    with FakeVlmServer(lambda request: yes()) as server:
        verdict, name = asyncio.run(node(server))
    assert verdict.probability > 0.8
    assert name == "tiny-vlm"


def test_ctrl_c_does_not_wait_for_all_answers(monkeypatch):
    """The key is a fake: an exception where it would be heard."""
    real, calls = vlm.wait, []

    def interrupted(doing, timeout):
        calls.append(timeout)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(doing, timeout)

    monkeypatch.setattr(vlm, "wait", interrupted)
    with FakeVlmServer(lambda request: Reply(yes().body, delay=0.05)) as server:
        with pytest.raises(KeyboardInterrupt):
            ask(settings(server, concurrency=1), *(Ask(str(n), "?") for n in range(1000)))
        assert len(server.asked) < 200
