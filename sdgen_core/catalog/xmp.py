"""XMP sidecars: what people said about an image as other programs (darktable, digiKam, Lightroom) read and write it.

The form is that of the XMP specification, part 1 (ISO 16684-1), sections 7.4 to 7.9: ``rdf:RDF`` with ``rdf:Description``; a rating as
``xmp:Rating`` (-1 is rejected), tags as the ``rdf:Bag`` ``dc:subject``, a note as the ``rdf:Alt`` ``dc:description``. What XMP has no word
for, and what was written last, stands in properties of SDGen's own namespace: so it is known later what another program has changed.

A document that another program made keeps all that is not ours, in its order and with its prefixes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from xml.dom.minidom import Document, Element, parseString

from ..errors import SDGenError
from .fields import MARKS, RATINGS, TAG, VALUE, VERDICTS
from .xml_parts import clean, content, elements, is_named, meaning, refuse, serialise

X = "adobe:ns:meta/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = "http://ns.adobe.com/xap/1.0/"
DC = "http://purl.org/dc/elements/1.1/"
SDGEN = "urn:sdgen:judgements:1#"
_XML = "http://www.w3.org/XML/1998/namespace"
_XMLNS = "http://www.w3.org/2000/xmlns/"
_PREFIXES = {RDF: "rdf", XMP: "xmp", DC: "dc", SDGEN: "sdgen"}


@dataclass(frozen=True)
class Said:
    """What is said about an image: the values of ``fields``, ``verdicts`` as placeholder -> verdict."""

    mark: str | None = None
    rating: str | None = None
    failed: bool = False
    note: str | None = None
    tags: frozenset[str] = frozenset()
    verdicts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Said:
        """From an image's fields as ``user.db`` has them."""
        return cls(
            mark=fields.get("mark"),
            rating=fields.get("rating"),
            failed="failed" in fields,
            note=clean(fields["note"]) or None if "note" in fields else None,
            tags=frozenset(clean(name[len(TAG) :]) for name in fields if name.startswith(TAG)),
            verdicts={clean(n[len(VALUE) :]): verdict for n, verdict in fields.items() if n.startswith(VALUE)},
        )

    def fields(self) -> dict[str, str]:
        """``of``'s inverse."""
        out = {"mark": self.mark, "rating": self.rating, "failed": "yes" if self.failed else None, "note": self.note}
        out |= {TAG + tag: "yes" for tag in self.tags}
        out |= {VALUE + placeholder: verdict for placeholder, verdict in self.verdicts.items()}
        return {name: value for name, value in out.items() if value is not None}

    @property
    def stars(self) -> str | None:
        """As ``xmp:Rating``: -1 for trash, else the rating, else 5 for a favourite."""
        return "-1" if self.mark == "trash" else self.rating or ("5" if self.mark == "favourite" else None)


@dataclass(frozen=True)
class Read:
    """What a sidecar says. ``written`` is what SDGen wrote last, and ``at`` when, in Unix time; None when it never did. ``stars``,
    ``tags`` and ``note`` are the properties that all programs share, as they are now."""

    written: Said | None
    at: float
    stars: str | None
    tags: frozenset[str]
    note: str | None

    def fields(self, changed: float) -> dict[str, tuple[str | None, float]]:
        """Field of an image -> what it is to be (None: cleared), and since when. What SDGen wrote counts from then; what is otherwise
        than it was written was changed by another program, at Unix time ``changed`` of the file."""
        base = self.written or Said()
        out: dict[str, tuple[str | None, float]] = {name: (value, self.at) for name, value in base.fields().items()}
        if (self.stars or "0") != (base.stars or "0"):
            if self.stars == "-1":
                out["mark"] = ("trash", changed)
            else:
                out["rating"] = (None if self.stars in (None, "0") else self.stars, changed)
                if base.mark == "trash" or (out["rating"][0] is None and base.mark == "favourite"):
                    out["mark"] = (None, changed)
        if self.note != base.note:
            out["note"] = (self.note, changed)
        out |= {TAG + tag: ("yes", changed) for tag in self.tags - base.tags}
        out |= {TAG + tag: (None, changed) for tag in base.tags - self.tags}
        return out


class Sidecar:
    """A sidecar's document. Raises ``bad-sidecar`` for text that is no XMP, or that no honest program writes."""

    def __init__(self, data: bytes | None = None) -> None:
        if data is None:
            data = f'<x:xmpmeta xmlns:x="{X}"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'.encode()
        refuse(data)
        self._document: Document = parseString(data)
        found = self._document.getElementsByTagNameNS(RDF, "RDF")
        if len(found) != 1:
            self._document.unlink()
            raise SDGenError("bad-sidecar", "there is no rdf:RDF in it, or more than one")
        self._rdf: Element = found[0]

    def _descriptions(self) -> list[Element]:
        return [node for node in elements(self._rdf) if is_named(node, RDF, "Description")]

    # ---- reading ---------------------------------------------------------------------------------------------------------

    def read(self) -> Read:
        """What it says."""
        written = self._text(SDGEN, "written")
        said = None
        at = 0.0
        if written is not None:
            try:
                at = float(written)
            except ValueError:
                at = 0.0
            said = Said(
                mark=_one_of(self._text(SDGEN, "mark"), MARKS),
                rating=_one_of(self._text(SDGEN, "rating"), RATINGS),
                failed=self._text(SDGEN, "failed") == "True",
                note=self._text(SDGEN, "note"),
                tags=frozenset(self._items(SDGEN, "tags")),
                verdicts=self._verdicts(),
            )
        stars = self._text(XMP, "Rating")
        return Read(said, at, _stars(stars), frozenset(self._items(DC, "subject")), self._default(DC, "description"))

    def _property(self, namespace: str, name: str) -> Element | None:
        for description in self._descriptions():
            for node in elements(description):
                if is_named(node, namespace, name):
                    return node
        return None

    def _text(self, namespace: str, name: str) -> str | None:
        """A simple property, which may also be written as an attribute."""
        for description in self._descriptions():
            if description.hasAttributeNS(namespace, name):
                return description.getAttributeNS(namespace, name)
        found = self._property(namespace, name)
        return None if found is None else content(found)

    def _items(self, namespace: str, name: str) -> Iterator[str]:
        found = self._property(namespace, name)
        for item in found.getElementsByTagNameNS(RDF, "li") if found is not None else ():
            if text := " ".join(content(item).split()):
                yield text

    def _default(self, namespace: str, name: str) -> str | None:
        """The default language's text of an alternative, else the first."""
        found = self._property(namespace, name)
        items = list(found.getElementsByTagNameNS(RDF, "li")) if found is not None else []
        items.sort(key=lambda item: item.getAttributeNS(_XML, "lang") != "x-default")
        return (content(items[0]) or None) if items else None

    def _verdicts(self) -> dict[str, str]:
        found = self._property(SDGEN, "verdicts")
        out = {}
        for item in found.getElementsByTagNameNS(RDF, "li") if found is not None else ():
            parts = {node.localName: content(node) for node in elements(item) if node.namespaceURI == SDGEN}
            verdict = _one_of(parts.get("verdict"), VERDICTS)
            if verdict and parts.get("placeholder"):
                out[parts["placeholder"]] = verdict
        return out

    # ---- writing ---------------------------------------------------------------------------------------------------------

    def write(self, said: Said, at: float) -> list[str]:
        """Put in what is said, as of Unix time ``at``. Gives in words what another program says otherwise: that stays as it is."""
        before = self.read()
        ours = before.written or Said()
        kept = []
        if (before.stars or "0") == (ours.stars or "0"):
            self._set_text(XMP, "Rating", said.stars)
        elif before.stars != said.stars:
            kept.append(f"the rating is {before.stars or 'cleared'}")
        if before.note == ours.note:
            self._set_list(DC, "description", "Alt", [said.note] if said.note else [])
        elif before.note != said.note:
            kept.append("the description is another one")
        tags = (before.tags - (ours.tags - said.tags)) | (said.tags - ours.tags)
        if tags != before.tags:
            self._set_list(DC, "subject", "Bag", sorted(tags))
        self._set_text(SDGEN, "written", repr(at))
        self._set_text(SDGEN, "mark", said.mark)
        self._set_text(SDGEN, "rating", said.rating)
        self._set_text(SDGEN, "failed", "True" if said.failed else None)
        self._set_text(SDGEN, "note", said.note)
        self._set_list(SDGEN, "tags", "Bag", sorted(said.tags))
        self._set_verdicts(said.verdicts)
        return kept

    def _take_out(self, namespace: str, name: str) -> Element:
        """Remove a property; gives the description in which it goes."""
        where: Element | None = None
        for description in self._descriptions():
            if description.hasAttributeNS(namespace, name):
                description.removeAttributeNS(namespace, name)
                where = where or description
            for node in list(elements(description)):
                if is_named(node, namespace, name):
                    description.removeChild(node)
                    where = where or description
        if where is None:
            where = next(iter(self._descriptions()), None)
        if where is None:
            where = self._new(RDF, "Description", self._rdf)
            where.setAttributeNS(RDF, "rdf:about", "")
        return where

    def _new(self, namespace: str, name: str, parent: Element) -> Element:
        """A new element at the end of ``parent``, with its prefix declared there if need be."""
        prefix = _PREFIXES[namespace]
        made = self._document.createElementNS(namespace, f"{prefix}:{name}")
        if meaning(parent, prefix) != namespace:
            made.setAttributeNS(_XMLNS, f"xmlns:{prefix}", namespace)
        parent.appendChild(made)
        return made

    def _set_text(self, namespace: str, name: str, text: str | None) -> None:
        where = self._take_out(namespace, name)
        if text is not None:
            self._new(namespace, name, where).appendChild(self._document.createTextNode(clean(text)))

    def _set_list(self, namespace: str, name: str, kind: str, texts: Iterable[str]) -> None:
        where = self._take_out(namespace, name)
        wanted = list(texts)
        if not wanted:
            return
        items = self._new(RDF, kind, self._new(namespace, name, where))
        for text in wanted:
            item = self._new(RDF, "li", items)
            if kind == "Alt":
                item.setAttributeNS(_XML, "xml:lang", "x-default")
            item.appendChild(self._document.createTextNode(clean(text)))

    def _set_verdicts(self, verdicts: Mapping[str, str]) -> None:
        where = self._take_out(SDGEN, "verdicts")
        if not verdicts:
            return
        items = self._new(RDF, "Bag", self._new(SDGEN, "verdicts", where))
        for placeholder, verdict in sorted(verdicts.items()):
            item = self._new(RDF, "li", items)
            item.setAttributeNS(RDF, "rdf:parseType", "Resource")
            for name, text in (("placeholder", placeholder), ("verdict", verdict)):
                self._new(SDGEN, name, item).appendChild(self._document.createTextNode(clean(text)))

    def to_bytes(self) -> bytes:
        """The document as UTF-8."""
        parts = ['<?xml version="1.0" encoding="UTF-8"?>\n']
        for node in self._document.childNodes:
            serialise(node, parts)
            parts.append("\n")
        return "".join(parts).encode("utf-8")


def _one_of(text: str | None, words: Iterable[str]) -> str | None:
    return text if text in tuple(words) else None


def _stars(text: str | None) -> str | None:
    """A rating from -1 to 5, whole: XMP allows fractions."""
    try:
        return None if text is None else str(min(5, max(-1, round(float(text)))))
    except (ValueError, OverflowError):
        return None
