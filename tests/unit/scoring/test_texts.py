"""Values in words for a model: what kind of thing they are, what is left of them, and which are not judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sdgen_core.catalog.records import value_text
from sdgen_core.scoring.texts.wording import (
    KINDS,
    Wording,
    cleaned,
    in_words,
    kind_of,
    neutral,
    not_assessable,
    not_shown,
    templates,
)

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *dict.fromkeys(("Hair", "HairColor", "hair_colours", "HAIRCOLOR", "Cheveux", "CouleurCheveux", "Coiffures"), "hair").items(),
        *dict.fromkeys(("Eyes", "EyeColor", "Yeux", "CouleurDesYeux", "Œil"), "eyes").items(),
        *dict.fromkeys(("Expression", "Visage", "Émotions", "Mood", "Makeup"), "face").items(),
        *dict.fromkeys(("Outfit", "Outfits", "Tenue", "Vêtements", "Robe", "CoatColor", "BeachOutfit"), "clothing").items(),
        *dict.fromkeys(("Pose", "Poses", "CharacterPose", "Posture"), "pose").items(),
        *dict.fromkeys(("Place", "Lieu", "Lieux", "Location", "Décor"), "place").items(),
        *dict.fromkeys(("Background", "ArrierePlan", "ArrièrePlans", "Fond", "BackgroundColor"), "background").items(),
        *dict.fromkeys(("Style", "ArtStyle", "Artist", "Medium"), "style").items(),
        *dict.fromkeys(("Light", "Lighting", "Éclairage", "Lumière", "SceneLight", "Weather", "TimeOfDay"), "light").items(),
        *dict.fromkeys(("Camera", "CameraAngle", "Cadrage", "LongLens"), "framing").items(),
        *dict.fromkeys(("Colour", "Couleur", "colors", "ObjectColor"), "colour").items(),
        *dict.fromkeys(("Person", "Personnage", "Femme", "Characters"), "person").items(),
        *dict.fromkeys(("Shape", "Animal", "CarColor"), "object").items(),
        *dict.fromkeys(("X", "Extra", "Variation12", ""), "other").items(),
    ],
)  # fmt: skip
def test_a_name_tells_the_kind(name, kind):
    assert kind_of(name) == kind


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["red coat", "blue coat", "a suit"], "clothing"),
        (["standing", "sitting on a bench", "running"], "pose"),
        (["in a forest", "at the beach"], "place"),
        (["short bob", "long curly hair", "ponytail"], "hair"),
        (["red", "blue"], "colour"),
        (["a woman in her forties", "an old man"], "person"),
        (["oil painting", "anime"], "style"),
        (["qwerty", "red coat", "asdf"], "other"),  # one in three is too few
        ([], "other"),
    ],
)
def test_values_tell_the_kind_when_the_name_does_not(texts, kind):
    assert kind_of("X", texts) == kind


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("(red hair:1.2)", "red hair"),
        ("((red)) [hair]", "red hair"),
        ("red_hair, <lora:ginger:0.8>", "red hair"),
        ("masterpiece, best quality, a red hat, 8k", "a red hat"),
        ("a red hat,, ,BREAK blue shoes AND gloves", "a red hat, blue shoes, gloves"),
        ("hatsune_miku_\\(vocaloid\\)", "hatsune miku (vocaloid)"),
        ("1girl, 3boys", "one girl, three boys"),
        ("[cat:dog:0.5]", "dog"),
        ("[a hat:0.4]", "a hat"),
        ("[a hat::0.4]", "a hat"),
        ("a cow|a horse", "a cow|a horse"),  # alternates only in square brackets
        ("[a cow|a horse]", "a cow, a horse"),
        ("(a hat:0), a coat", "a coat"),
        ("(unclosed:1.2", "unclosed"),
        ("red coat, no buttons", "red coat"),
        ("embedding:lucky.pt a wall", "a wall"),
        ("ratio 16:9", "ratio 16:9"),
        ("long\nleather\n", "long, leather"),
        ('{"main": "short bob", "lora": "<lora:bob:0.7>", "negative": "long hair"}', "short bob"),
        ('{"detail": "freckles", "main": ""}', "freckles"),
        ('{"key": "tall", "fields": {"height": "very tall"}}', "very tall"),
        ("{not json", "{not json"),
        ("", ""),
    ],
)
def test_a_value_is_cleaned(text, clean):
    assert cleaned(text) == clean


@pytest.mark.parametrize(
    ("placeholder", "text", "reason"),
    [
        ("X", "masterpiece, best quality", "quality"),
        ("X", "score_9, score_8_up", "quality"),
        ("Quality", "8k uhd, (highly detailed:1.2)", "quality"),
        ("X", "<lora:ginger:0.8>", "lora"),
        ("X", '{"main": "", "lora": "<lora:x:1>"}', "lora"),
        ("X", '{"main": "", "negative": "long hair"}', "empty"),
        ("X", "no hat", "negation"),
        ("X", "sans lunettes", "negation"),
        ("X", "", "empty"),
        ("X", " , BREAK", "empty"),
        ("X", "none", "empty"),
        ("Strength", "0.8", "weight-only"),
        ("Strength", "(:1.2)", "weight-only"),
        ("X", "2girls", "count"),
        ("X", "three cats", "count"),
        ("Side", "left", "side"),
        ("X", "from the right", "side"),
        ("Côté", "gauche", "side"),
        ("Position", "center", "side"),
        ("X", "1girl", None),
        ("Hair", "two braids", None),
        ("X", "85mm lens", None),
        ("X", "soft window light from the left", None),
        ("X", "masterpiece, red hat", None),
        ("X", "a top hat", None),
    ],
)
def test_what_is_not_seen_is_not_judged(placeholder, text, reason):
    assert not_assessable(placeholder, text) == reason
    assert bool(in_words(placeholder, {"key": text}).values["key"].phrases) == (reason in (None, "empty"))


def phrases(placeholder, *texts, wording=None):
    said = in_words(placeholder, {text: text for text in texts}, wording)
    return [said.values[text].phrases for text in texts]


def test_phrases_are_english():
    assert "a person with red hair" in phrases("HairColor", "red")[0]
    assert "a person wearing a red coat" in phrases("Manteau", "red")[0]
    assert "a person wearing a parka with the hood up" in phrases("Outfit", "wearing a parka with the hood up")[0]
    assert "a nude person" in phrases("Outfit", "nude")[0]
    assert "a person with arms crossed" in phrases("Pose", "arms crossed")[0]
    assert "a person sitting on a bench" in phrases("Pose", "sitting on a bench")[0]
    assert "a photo taken in a forest" in phrases("Lieu", "forest")[0]
    assert "a photo taken at the beach" in phrases("Background", "at the beach")[0]
    assert "a picture with a white background" in phrases("Fond", "white")[0]
    assert "an orange object" in phrases("Colour", "orange")[0]
    assert "a photo of a cross" in phrases("Shape", "cross")[0]


def test_wording_of_the_user_goes_first():
    wording = Wording.model_validate({"colour": ["a {} circle", "{a} thing"], "Mood": "not assessable"})
    assert phrases("Colour", "orange", wording=wording) == [("a orange circle", "an orange thing")]
    assert in_words("mood", {"a": "happy"}, wording).values["a"].reason == "setting"
    assert phrases("Shape", "star", wording=wording) == phrases("Shape", "star")
    for bad in ({"Colour": []}, {"Colour": ["no value"]}, {"Colour": "sometimes"}, {"Colour": [3]}):
        with pytest.raises(ValidationError):
            Wording.model_validate(bad)


def test_long_values_are_read_in_pieces():
    long = ", ".join(f"a very decorated wooden panel number {n} with carvings" for n in range(12))
    (some,) = phrases("X", long)
    assert len(some) == 3 * len(templates("other"))
    assert all(len(phrase.split()) < 60 for phrase in some)
    (one,) = phrases("X", "word " * 200)
    assert all(20 < len(phrase.split()) < 70 for phrase in one)


def test_what_stands_in_the_negative_prompt_alone_is_not_shown():
    prompt, negative = "a {Hat[$0]}, {Coat:main}", "{Fault}, {Coat:negative}, {Hatless}"
    assert [not_shown(name, prompt, negative) for name in ("Hat", "Coat", "Fault", "Gone")] == [
        False,
        False,
        True,
        False,
    ]


@given(st.text(max_size=200), st.text(max_size=20))
def test_any_text_is_read(text, name):
    said = in_words(name, {"key": text, "other": "a red coat"})
    assert said.kind in KINDS
    value = said.values["key"]
    assert value.reason or value.phrases
    assert all(phrase.strip() for phrase in value.phrases)


def test_every_kind_has_phrasings():
    for kind in KINDS:
        assert 3 <= len(templates(kind)) <= 5
        assert all("{" not in text for text in neutral(kind))


def values_of_the_examples():
    for path in sorted((REPOSITORY / "examples").rglob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        if isinstance(document, dict) and isinstance(document.get("variations"), dict):
            yield (
                path.stem.split(".")[0],
                {str(key): value_text(value) for key, value in document["variations"].items()},
            )


def test_all_values_of_the_examples_are_judged():
    seen = 0
    for name, texts in values_of_the_examples():
        said = in_words(name, texts)
        assert said.kind != "other", name
        for key, value in said.values.items():
            assert value.reason is None, (name, key)
            assert not any(sign in phrase for phrase in value.phrases for sign in '{}<>"_')
            seen += 1
    assert seen > 100


def test_values_of_old_manifests_are_judged():
    for path in (REPOSITORY / "tests" / "data" / "sessions").glob("*/manifest.json"):
        snapshot = json.loads(path.read_text(encoding="utf-8"))["snapshot"]
        for name, facts in snapshot.get("variations", {}).items():
            texts = {value_text(value): value_text(value) for value in facts["available"]}
            assert not [value for value in in_words(name, texts).values.values() if value.reason], name
