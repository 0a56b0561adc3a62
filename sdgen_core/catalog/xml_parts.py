"""XML of others: looked at before it is taken into memory, and written as it was, but for what was changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from xml.dom.minidom import Element, Node
from xml.parsers import expat

from ..errors import SDGenError

#: The longest sidecar that is read, in bytes, and how deep its elements may lie in each other.
MOST_BYTES, MOST_DEPTH = 4 << 20, 60


def refuse(data: bytes) -> None:
    """Refuse what must not be parsed into memory: too long, too deep, with a document type (entities), or no XML."""
    if len(data) > MOST_BYTES:
        raise SDGenError("bad-sidecar", f"it has more than {MOST_BYTES:,} bytes")
    depth = 0

    def start(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > MOST_DEPTH:
            raise SDGenError("bad-sidecar", "its elements lie too deep in each other")

    def end(*_: object) -> None:
        nonlocal depth
        depth -= 1

    def document_type(*_: object) -> None:
        raise SDGenError("bad-sidecar", "it declares a document type, as no XMP does")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = document_type
    try:
        parser.Parse(data, True)
        expat.ParserCreate(namespace_separator=" ").Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise SDGenError("bad-sidecar", f"it is no XML: {error}") from error


def elements(parent: Element) -> Iterator[Element]:
    return (node for node in parent.childNodes if node.nodeType == Node.ELEMENT_NODE)


def is_named(node: Element, namespace: str, name: str) -> bool:
    return bool(node.namespaceURI == namespace and node.localName == name)


def content(node: Element) -> str:
    return "".join(n.data for n in node.childNodes if n.nodeType in (Node.TEXT_NODE, Node.CDATA_SECTION_NODE))


def meaning(node: Node | None, prefix: str) -> str | None:
    """The namespace that ``prefix`` stands for in an element."""
    while node is not None and node.nodeType == Node.ELEMENT_NODE:
        assert isinstance(node, Element)
        if node.hasAttribute(f"xmlns:{prefix}"):
            return node.getAttribute(f"xmlns:{prefix}")
        node = node.parentNode
    return None


def clean(text: str) -> str:
    """Without the characters that XML does not have."""
    return "".join(
        c for c in text if c in "\t\n\r" or (c >= "\x20" and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff")
    )


_TEXT = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_ATTRIBUTE = {**_TEXT, '"': "&quot;", "\n": "&#10;", "\t": "&#9;"}


def _escaped(text: str, table: Mapping[str, str]) -> str:
    return "".join(table.get(c, c) for c in text)


def serialise(node: Node, parts: list[str]) -> None:
    """XML of a node. Python's own writer loses line feeds in attributes before 3.13."""
    if node.nodeType == Node.ELEMENT_NODE:
        assert isinstance(node, Element)
        parts.append(f"<{node.tagName}")
        for name, value in node.attributes.items():
            parts.append(f' {name}="{_escaped(value, _ATTRIBUTE)}"')
        if not node.childNodes:
            parts.append("/>")
            return
        parts.append(">")
        for child in node.childNodes:
            serialise(child, parts)
        parts.append(f"</{node.tagName}>")
    elif node.nodeType == Node.CDATA_SECTION_NODE:
        parts.append(f"<![CDATA[{node.data}]]>")  # type: ignore[attr-defined]
    elif node.nodeType == Node.TEXT_NODE:
        parts.append(_escaped(node.data, _TEXT))  # type: ignore[attr-defined]
    elif node.nodeType == Node.COMMENT_NODE:
        parts.append(f"<!--{node.data}-->")  # type: ignore[attr-defined]
    elif node.nodeType == Node.PROCESSING_INSTRUCTION_NODE:
        parts.append(f"<?{node.target} {node.data}?>")  # type: ignore[attr-defined]
