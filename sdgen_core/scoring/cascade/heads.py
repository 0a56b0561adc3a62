"""The user's own classifier as files: one head a placeholder and scorer, with what it was tried on before anybody asked it.

A file is one of safetensors: ``weights`` (k + 1, width) and ``bias`` (k + 1,) of the logits of k values and of none of them; of the n
images on which it was tried, without having learnt from them, ``keys`` (n, 16), ``truth``, ``ours`` and ``theirs`` (n,): what people said,
what the head says, and what is said without it; ``groups`` (n,): one number for images of one seed and near-duplicates. The rest is JSON
in the file's head (``Facts``). It is trained elsewhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ValidationError

from ...errors import SDGenError, shown
from ...sessions.files import make_folder, raise_write_error, write_atomic
from ...sessions.naming import safe_name
from ..embedding.files import KEY_BYTES
from .classifier import beats
from .rules import Claim

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...catalog.catalog import Catalog

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Vectors = NDArray[np.float32]

#: Of files; those of a newer form are not read.
FORM = 1
SUFFIX = ".safetensors"
#: What a tuned network is called, beside its head.
NETWORK = ".network"
#: A value with fewer verdicts is not told by a head: images are left to the model that reads its text.
LEAST_OF_VALUE = 4


class ValueFacts(BaseModel):
    """A value that a head knows, and how it was judged: so many images each."""

    key: str
    text: str
    ok: int
    partial: int
    ko: int
    accuracy: float | None  # of held-out images; None without clear ones
    accuracy_without: float | None

    @property
    def known(self) -> bool:
        """Whether the head is asked about it."""
        return self.ok + self.partial + self.ko >= LEAST_OF_VALUE


class Measures(BaseModel):
    """How well probabilities fit what people said. ``accuracy`` is of clear verdicts, a half being the threshold, with its 95 %
    ``interval``, for which images of one seed and near-duplicates are one; ``error``: the expected calibration error."""

    accuracy: float
    interval: tuple[float, float]
    log_loss: float
    brier: float
    error: float


class Features(BaseModel):
    """What a head works on: the embeddings of the "scorer" itself, of "efficientnet", or of one of them that was trained further
    (``tuned``: the hash of its weights, which lie beside the head)."""

    kind: Literal["scorer", "efficientnet"]
    identity: str
    name: str
    width: int
    tuned: str = ""


class Facts(BaseModel):
    """What is known of a head. ``labels`` it was trained with, of ``known`` verdicts about the placeholder that there were in all;
    ``trained_at``: Unix ms; ``ours`` and ``theirs``: on the same ``tried`` images, with the head and without it."""

    form: int
    placeholder: str
    scorer: str
    scorer_name: str
    features: Features
    values: list[ValueFacts]
    labels: int
    known: int
    trained_at: int
    seconds: float
    strength: float
    tried: int
    ours: Measures
    theirs: Measures
    remarks: list[str] = []


@dataclass(frozen=True, eq=False)
class Head:
    """See the module; ``keys`` as in ``Claim.image``."""

    facts: Facts
    weights: Floats
    bias: Floats
    keys: tuple[str, ...]
    truth: Floats
    ours: Floats
    theirs: Floats
    groups: Ints

    @property
    def better(self) -> bool:
        """Whether it beats what is said without it."""
        return beats(self.ours.tolist(), self.theirs.tolist(), self.truth.tolist(), self.groups.tolist())

    def probabilities(self, vectors: Vectors) -> Floats:
        """(n, width) features -> (n, k + 1)."""
        import numpy as np

        logits = vectors.astype(np.float64) @ self.weights.T + self.bias
        raised = np.exp(logits - logits.max(1, keepdims=True))
        out: Floats = raised / raised.sum(1, keepdims=True)
        return out


class HeadStore:
    """A folder of heads: ``SCORER/PLACEHOLDER-xxxxxxxx.safetensors``, by the scorer's identity."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, scorer: str, placeholder: str) -> Path:
        """Where a head is, or would be. The hash tells names that are one to a file system."""
        mark = hashlib.blake2b(placeholder.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
        return self.folder / scorer / f"{safe_name(placeholder, 60)}-{mark}{SUFFIX}"

    def network(self, scorer: str, placeholder: str) -> Path:
        """Where the weights of a tuned network are."""
        path = self.path(scorer, placeholder)
        return path.with_name(f"{path.stem}{NETWORK}{SUFFIX}")

    def paths(self, scorer: str = "*") -> list[Path]:
        """All heads, or a scorer's; no networks."""
        return sorted(path for path in self.folder.glob(f"{scorer}/*{SUFFIX}") if NETWORK not in path.suffixes)

    def save(self, head: Head) -> Path:
        """Write a head, in place of what was there. Raises ``disk-full`` and ``unwritable-folder``."""
        import numpy as np
        from safetensors.numpy import save

        keys = np.frombuffer(b"".join(map(bytes.fromhex, head.keys)), np.uint8).reshape(-1, KEY_BYTES)
        tensors = {"weights": head.weights, "bias": head.bias, "truth": head.truth, "ours": head.ours}
        tensors["theirs"] = head.theirs
        small = {name: np.ascontiguousarray(column, np.float32) for name, column in tensors.items()}
        path = self.path(head.facts.scorer, head.facts.placeholder)
        make_folder(path.parent)
        columns: dict[str, NDArray[Any]] = {**small, "keys": np.ascontiguousarray(keys)}
        columns["groups"] = np.ascontiguousarray(head.groups, np.int64)
        write_atomic(path, save(columns, {"sdgen": head.facts.model_dump_json()}))
        return path

    def load(self, scorer: str, placeholder: str) -> Head | None:
        """The head of a placeholder; None where there is none. Raises ``bad-classifier``."""
        path = self.path(scorer, placeholder)
        if not path.is_file():
            return None
        head = read(path)
        if (head.facts.scorer, head.facts.placeholder) != (scorer, placeholder):
            raise _bad(path, f"is of {head.facts.placeholder} and the scorer {head.facts.scorer_name}")
        return head

    def others(self, scorer: str, placeholder: str) -> list[str]:
        """The names of other scorers that the placeholder has a head for."""
        name = self.path("", placeholder).name
        out = []
        for path in self.paths():
            if path.name == name and path.parent.name != scorer:
                with contextlib.suppress(SDGenError):
                    out.append(_facts(path).scorer_name)
        return out

    def forget(self, scorer: str, placeholder: str) -> bool:
        """Remove a head and its network; whether there was one. Raises ``unwritable-folder``."""
        path = self.path(scorer, placeholder)
        there = path.is_file()
        for each in (path, self.network(scorer, placeholder)):
            try:
                each.unlink(missing_ok=True)
            except OSError as error:
                raise_write_error(error, each, "remove")
        return there


def read(path: Path) -> Head:
    """The head in a file. Raises ``bad-classifier``."""
    import numpy as np
    from safetensors.numpy import load

    facts = _facts(path)
    try:
        columns = load(path.read_bytes())
        weights, bias, truth, ours, theirs = (
            columns[name].astype(np.float64) for name in ("weights", "bias", "truth", "ours", "theirs")
        )
        keys = tuple(row.tobytes().hex() for row in columns["keys"])
        groups = columns["groups"].astype(np.int64)
    except Exception as error:  # the library raises of many kinds
        raise _bad(path, f"cannot be read ({type(error).__name__})") from error
    k, n = len(facts.values), len(keys)
    fits = weights.shape == (k + 1, facts.features.width) and bias.shape == (k + 1,)
    if not fits or any(column.shape != (n,) for column in (truth, ours, theirs, groups)):
        raise _bad(path, "has weights of another shape than it says")
    if not all(np.isfinite(column).all() for column in (weights, bias, truth, ours, theirs)):
        raise _bad(path, "has numbers that are none")
    return Head(facts, weights, bias, keys, truth, ours, theirs, groups)


def _facts(path: Path) -> Facts:
    from safetensors import safe_open

    try:
        with safe_open(path, "numpy") as file:
            said = json.loads((file.metadata() or {})["sdgen"])
        if isinstance(said, dict) and isinstance(said.get("form"), int) and said["form"] > FORM:
            raise _bad(path, "was written by a newer version of SDGen")
        return Facts.model_validate(said)
    except SDGenError:
        raise
    except ValidationError as error:
        raise _bad(path, f"is no head: {error.errors()[0]['msg']}") from error
    except Exception as error:  # the library raises of many kinds
        raise _bad(path, f"is no head, or is damaged ({type(error).__name__})") from error


def _bad(path: Path, what: str) -> SDGenError:
    return SDGenError("bad-classifier", f"{shown(path)} {what}")


def verdicts_about(catalog: Catalog, placeholder: str) -> int:
    """How many verdicts there are that say whether images show a placeholder's values."""
    rows = catalog.index.store.rows(
        "SELECT coalesce(sum(value_verdict.images), 0) FROM value_verdict JOIN value ON value.id = value"
        " JOIN placeholder ON placeholder.id = placeholder WHERE name=? AND verdict BETWEEN 1 AND 3",
        (placeholder,),
    )
    return int(rows[0][0])


class HeadClassifier:
    """The ``Classifier`` that some heads are, by placeholder; ``vectors``: placeholder -> image key -> features."""

    def __init__(self, heads: Mapping[str, Head], vectors: Mapping[str, Mapping[str, Vectors]]) -> None:
        self._heads, self._vectors = heads, vectors
        self._column = {
            name: {value.key: at for at, value in enumerate(head.facts.values) if value.known}
            for name, head in heads.items()
        }

    def held_out(self, placeholder: str) -> Mapping[str, float]:
        head = self._heads.get(placeholder)
        return dict(zip(head.keys, head.ours.tolist(), strict=True)) if head else {}

    def knows(self, claim: Claim) -> bool:
        return (
            claim.value in self._column.get(claim.placeholder, {}) and claim.image in self._vectors[claim.placeholder]
        )

    def probabilities(self, claims: Sequence[Claim]) -> Sequence[float | None]:
        return list(self._said(claims))

    def _said(self, claims: Sequence[Claim]) -> Iterator[float | None]:
        for claim in claims:
            vector = self._vectors[claim.placeholder][claim.image]
            said = self._heads[claim.placeholder].probabilities(vector[None])[0]
            yield float(said[self._column[claim.placeholder][claim.value]])


def tried(heads: Mapping[str, Head], what: Literal["theirs", "truth"]) -> dict[tuple[str, str], float]:
    """What is said of the images that heads were tried on, as ``ClassifierTier`` takes it."""
    return {
        (key, name): value
        for name, head in heads.items()
        for key, value in zip(head.keys, getattr(head, what).tolist(), strict=True)
    }
