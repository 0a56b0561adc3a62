"""A check's findings as SARIF 2.1.0 (OASIS standard), the form that code scanning services read.

What such services want beyond the standard: a rule with a help text for every result, a region in every location, URIs
relative to the repository, and a fingerprint that stays when lines above a finding are added.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from ..errors import CODES
from ..templates.findings import Finding, Report
from .validate import version

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(report: Report) -> dict[str, Any]:
    """The log: one run with the rules that were broken. Columns count characters (``unicodeCodePoints``)."""
    used = {f.code for f in report.findings}
    codes = [code for code in CODES if code in used]
    seen: dict[str, int] = {}
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "SDGen",
                        "version": version(),
                        "rules": [_rule(code) for code in codes],
                    }
                },
                "invocations": [{"executionSuccessful": True}],
                "columnKind": "unicodeCodePoints",
                "results": [_result(f, report, codes.index(f.code), seen) for f in report.findings],
            }
        ],
    }


def _rule(code: str) -> dict[str, Any]:
    title = code.replace("-", " ").capitalize()
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in code.split("-")),
        "shortDescription": {"text": title},
        "fullDescription": {"text": f"{title}. {CODES[code].hint}"},
        "help": {"text": CODES[code].hint},
        "defaultConfiguration": {"level": "error"},
    }


def _result(finding: Finding, report: Report, rule: int, seen: dict[str, int]) -> dict[str, Any]:
    region: dict[str, Any] = {"startLine": max(1, finding.line)}
    if finding.column:
        region["startColumn"] = finding.column
        if finding.text:
            region["endColumn"] = finding.column + len(finding.text)
    if finding.source:
        region["snippet"] = {"text": finding.source}
    out: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": finding.level,
        "message": {"text": f"{finding.said.rstrip('.')}. {finding.hint}"},
        "locations": [{"physicalLocation": {"artifactLocation": _location(finding.file, report), "region": region}}],
        "partialFingerprints": {"sdgen/v1": _fingerprint(finding, seen)},
    }
    if finding.reached_by or finding.under:
        out["properties"] = {"reachedBy": finding.reached_by, "under": finding.under}
    return out


def _location(file: str, report: Report) -> dict[str, Any]:
    name = PurePosixPath(file)
    if name.is_absolute() or ".." in name.parts or os.path.isabs(file):  # noqa: PTH117 - a drive counts on Windows
        return {"uri": (report.root / file).resolve().as_uri()}
    return {"uri": quote(file, safe="/"), "uriBaseId": "%SRCROOT%"}


def _fingerprint(finding: Finding, seen: dict[str, int]) -> str:
    """The same for the same mistake in the same text, wherever the line has moved to; equal ones are numbered."""
    text = "\0".join((finding.code, finding.file, finding.source.strip(), finding.text))
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    seen[digest] = seen.get(digest, 0) + 1
    return f"{digest}:{seen[digest]}"
