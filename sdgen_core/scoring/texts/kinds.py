"""What kind of thing a placeholder chooses: hair, clothes, a place. From its name in English or French, or else from its values."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

KINDS = (
    "hair", "eyes", "face", "clothing", "pose", "place", "background", "style", "light", "framing", "colour", "person", "object",
    "other",
)  # fmt: skip


def listed(words: str) -> frozenset[str]:
    """The words between blanks."""
    return frozenset(words.split())


#: Words of names, singular and without accents; they tell the kind of values too.
_NAMES = {
    "hair": "hair haircut hairdo hairstyle cheveu cheveux chevelure coiffure fringe frange braid tresse",
    "eyes": "eye eyes oeil yeux iris pupil pupille",
    "face": "face visage expression emotion smile sourire mouth bouche lip levre skin peau makeup maquillage gaze regard"
    " mood humeur mimique freckle beard barbe moustache mustache nose nez",
    "clothing": "outfit clothe clothing cloth clothes tenue vetement dress robe costume uniform uniforme coat manteau shirt"
    " chemise pants pantalon trouser jean skirt jupe short shoe chaussure boot botte hat chapeau accessory accessoire"
    " jewelry jewellery bijou lingerie underwear swimsuit bikini maillot armor armour armure glove gant sock stocking collant"
    " legwear footwear headwear wear attire garment garb jacket veste suit cloak cape sweater pull apron tablier tshirt blouse"
    " kimono hoodie glasses lunettes scarf echarpe overcoat doublet gown turtleneck raincoat sari",
    "pose": "pose posture position gesture geste action activity activite attitude movement mouvement gesturing stance",
    "place": "place lieu location setting scene scenery decor environment environnement landscape paysage room piece city ville"
    " endroit where site venue forest foret beach plage street rue kitchen cuisine bedroom chambre garden jardin park parc"
    " mountain montagne sea mer desert office bureau cafe bar castle chateau field champ bridge pont harbour harbor"
    " alley pier market lake river church school ecole station jungle temple ruin village",
    "background": "background fond backdrop bg arriereplan",
    "style": "style artist artiste medium media technique art genre render rendering rendu aesthetic esthetique filter filtre era"
    " epoque period painting peinture photo photograph photography anime manga cartoon sketch dessin drawing watercolor"
    " watercolour aquarelle illustration comic film cinematic",
    "light": "light lighting lumiere eclairage daylight weather meteo time heure season saison ambiance ambience atmosphere"
    " sunlight sun sunset sunrise night nuit dawn aube noon rain pluie snow neige fog brume moonlight shadow ombre glow lit"
    " candle firelight chiaroscuro headlight footlight spotlight lamp softbox backlit haze cloud storm overcast neon",
    "framing": "framing cadrage camera shot plan angle view vue lens objectif focal focale aperture perspective zoom distance"
    " composition pov closeup bokeh",
    "colour": "color colour couleur teinte hue tint palette shade coloris",
    "person": "person personne personnage people gens character char sujet subject woman femme man homme girl fille boy garcon"
    " hero heroine sitter age ethnicity ethnie origin origine nationality nationalite body corps silhouette physique"
    " morphology morphologie gender sexe profession metier job occupation rider lady",
    "object": "object objet item prop shape forme animal creature vehicle vehicule car voiture thing weapon arme flower fleur"
    " food product produit horse cheval dog chien cat chat bird oiseau building batiment pet toy jouet plumage perch circle"
    " square triangle star cross ring",
}  # fmt: skip
#: Words that only values have.
_VALUES = {
    "hair": "bob ponytail pigtail bun blonde brunette redhead curl wave twintail updo bald bang",
    "face": "smiling laughing crying weeping angry happy sad surprised blushing frowning grinning serious calm cheek wrinkle",
    "pose": "standing sitting lying kneeling walking running leaning jumping squatting crouching dancing sleeping looking turning"
    " resting holding arm hand profile crossed stretching riding reading dance",
    "framing": "headshot portrait bust",
    "object": "sphere cube heart hexagon owl",
}
_COLOURS = (
    "red green blue yellow purple orange cyan pink white black gray grey brown blond blonde silver golden gold violet teal turquoise"
    " auburn ginger beige crimson scarlet magenta navy lavender platinum hazel amber emerald rouge vert verte bleu bleue jaune noir"
    " noire blanc blanche gris grise rose brun brune roux rousse marron dore argente"
)
#: What is said of a thing without naming it.
_BARE = {
    *listed(_COLOURS),
    *listed("long short medium curly wavy straight dark light bright pale deep very and messy spiky multicolored"),
    *listed("heterochromatic glowing big large small tall shiny striped plain"),
}
#: Kinds that other words of a name make more precise, each by all before it: the colour of the hair is about hair.
_GENERAL = ("place", "background", "colour", "object", "person", "style")
#: English for what French names say, where a value leaves the thing out: Manteau "red" is a red coat.
_ENGLISH = {
    "manteau": "coat", "robe": "dress", "chemise": "shirt", "pantalon": "trousers", "jupe": "skirt", "veste": "jacket",
    "chaussure": "shoes", "botte": "boots", "chapeau": "hat", "gant": "gloves", "collant": "tights", "lunettes": "glasses",
    "echarpe": "scarf", "pull": "sweater", "voiture": "car", "fleur": "flower", "cheval": "horse", "chien": "dog", "chat": "cat",
    "oiseau": "bird", "peau": "skin", "levre": "lips", "barbe": "beard", "ciel": "sky",
    "shoe": "shoes", "boot": "boots", "glove": "gloves", "sock": "socks", "stocking": "stockings", "trouser": "trousers",
    "jean": "jeans", "lip": "lips", "short": "shorts",
}  # fmt: skip
#: Words of names that are no things: a value without a thing is not completed with them.
_NO_THING = listed(
    "outfit clothe clothing cloth clothes tenue vetement wear attire garment garb accessory accessoire lingerie object objet item prop"
    " thing shape forme animal creature product produit face visage expression emotion mood humeur mimique makeup maquillage gaze regard"
    " perch plumage"
)
_NOUNS = {"hair": "hair", "eyes": "eyes", "clothing": "clothes", "background": "background"}
#: Where something is; a value that begins with one of these is a place if its placeholder may be one.
PREPOSITIONS = listed(
    "in on at beside below under near inside outside between behind among above along by against before over underneath dans sur sous"
    " devant"
)


def _table(*sources: dict[str, str]) -> dict[str, str]:
    return {word: kind for source in sources for kind, words in source.items() for word in words.split()}


_OF_NAMES = _table(_NAMES)
_OF_VALUES = {**dict.fromkeys(listed(_COLOURS), "colour"), **_table(_VALUES, _NAMES)}

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def plain(text: str) -> str:
    """Without accents; ligatures as two letters."""
    text = text.replace("œ", "oe").replace("Œ", "Oe").replace("æ", "ae").replace("Æ", "Ae")
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def kind_of(placeholder: str, texts: Iterable[str] = ()) -> str:
    """One of ``KINDS``: from the placeholder's name, or from what at least half of its values (cleaned ``texts``) look like."""
    kinds = {_OF_NAMES[word]: word for word in _name_words(placeholder) if word in _OF_NAMES}
    if kinds:
        things = "object" in kinds and kinds["object"] not in _NO_THING
        general = ("object", *_GENERAL) if things else _GENERAL
        return min(reversed(kinds), key=lambda kind: general.index(kind) if kind in general else -1)
    counts = Counter(_kind_of_value(text) for text in texts if text)
    kind, most = max(counts.items(), key=lambda item: (item[1], item[0]), default=("other", 0))
    return kind if kind and 2 * most >= counts.total() else "other"


def named(placeholder: str, kind: str, text: str) -> str:
    """A value that only says how something is, with the thing: "red" of HairColor is "red hair". Others as they are."""
    words = re.findall(r"[^\W_]+", plain(text).lower())
    if not words or not all(word in _BARE for word in words):
        return text
    thing = _NOUNS.get(kind)
    if kind in ("clothing", "object", "face", "light"):
        things = [word for word in _name_words(placeholder) if _OF_NAMES.get(word) == kind and word not in _NO_THING]
        thing = _ENGLISH.get(things[-1], things[-1]) if things else thing
    return f"{text} {thing}" if thing else text


def _name_words(name: str) -> list[str]:
    """The words of a name such as HairColor, hair_colors, COULEURCHEVEUX."""
    words = [word.lower() for word in _WORD.findall(plain(name))]
    if (whole := _singular("".join(words))) in _OF_NAMES:
        return [whole]  # ArrierePlan
    return [known for word in words for known in _known(word) or [word]]


def _known(word: str) -> list[str]:
    """A word in the singular as the table has it; two words written as one as both; nothing when it is not known."""
    for ending in ("", "s", "x", "es"):
        stem = word[: len(word) - len(ending)] if ending else word
        if word.endswith(ending) and stem in _OF_NAMES:
            return [stem]
    for cut in range(3, len(word) - 2):
        first, second = _singular(word[:cut]), _singular(word[cut:])
        if first in _OF_NAMES and second in _OF_NAMES:
            return [first, second]
    return []


def _singular(word: str) -> str:
    return word if word in _OF_NAMES else word[:-1] if word[-1:] in ("s", "x") else word


def _kind_of_value(text: str) -> str:
    """What the first telling word says; a colour only if no other word tells. Empty when none does."""
    words = re.findall(r"[^\W\d_]+", plain(text).lower())
    if words and words[0] in PREPOSITIONS and _OF_VALUES.get(words[-1]) != "pose":
        return "place"
    colour = ""
    for word in words:
        kind = _OF_VALUES.get(word) or _OF_VALUES.get(word.removesuffix("s")) or _OF_VALUES.get(word.removesuffix("es"))
        if kind and kind != "colour":
            return kind
        colour = kind or colour
    return colour
