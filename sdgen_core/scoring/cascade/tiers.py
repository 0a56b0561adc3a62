"""Two tiers of the cascade: crops, and a vision-language model."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...errors import SDGenError
from ..estimates.calibration import features
from ..estimates.levels import estimate
from ..vlm.answers import Verdict
from ..vlm.ask import Ask, ask_all, model_name
from ..vlm.settings import VlmSettings
from .crops import REGIONS, Area, cut, find
from .detectors import Detector, DetectorSettings, load
from .rules import Answer, Claim, Run, TierName
from .store import CascadeStore, Crop, Said

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from ..backends.interface import Backend
    from ..estimates.calibration import Calibration

    Floats = NDArray[np.float32]

_BATCH = 16  # crops encoded at once
_GIVE_UP = 5  # images in a row that the detector fails at
_CUT = 1  # counts the ways in which ``crops`` has cut: crops of another are not used any more


@dataclass(frozen=True, eq=False)
class Contrast:
    """What a placeholder's values are compared with: unit ``vectors`` of texts (m, width), and which of them is whose (``column``).

    Values that are not told apart share a column; a column of no value says none of them. ``calibrations``: by region, fitted to features
    of crops; the probabilities of a region without one are not calibrated.
    """

    column: Mapping[str, int]
    vectors: Floats
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)


class CropTier:
    """The same model and texts, on the part of the image that a value is about.

    ``open_image``: key -> RGB image, such as ``decoding.decode``. The detector is loaded when it is first needed.
    """

    name: TierName = "crops"
    every = False

    def __init__(
        self,
        detector: Detector | DetectorSettings,
        backend: Backend,
        contrasts: Mapping[str, Contrast],
        open_image: Callable[[str], Image.Image],
        store: CascadeStore,
    ) -> None:
        self._detector, self._backend, self._contrasts = detector, backend, contrasts
        self._open, self._store = open_image, store

    def serves(self, claim: Claim) -> bool:
        contrast = self._contrasts.get(claim.placeholder)
        return (
            claim.kind in REGIONS
            and contrast is not None
            and len(contrast.vectors) > 1
            and claim.value in contrast.column
        )

    def answer(self, claims: Sequence[Claim], run: Run) -> None:
        run.wait()
        if isinstance(self._detector, DetectorSettings):
            self._detector = load(self._detector)
        maker = f"{self._backend.identity}-{self._detector.identity}-{_CUT}"
        known = self._store.crops((claim.image for claim in claims), maker)
        crops = {claim: crop for claim in claims if (crop := known.get((claim.image, claim.kind)))}
        kept = set(crops)
        for claim in kept:
            run.reached(claim)
        try:
            pieces = self._pieces([claim for claim in claims if claim not in kept], self._detector, run)
            while some := list(itertools.islice(pieces, _BATCH)):
                crops.update(self._encoded(some, maker, run))
        finally:
            self._judge(crops, kept, run)
            if self._store.trouble:
                run.remark(self._store.trouble)

    def _pieces(self, claims: Sequence[Claim], detector: Detector, run: Run) -> Iterator[_Piece]:
        """What has to be encoded, image by image; says of the others why not."""
        failed = 0
        for key, group in itertools.groupby(claims, lambda claim: claim.image):
            run.wait()
            if run.stopped():
                return
            mine = list(group)
            try:
                image = self._open(key)
            except Exception as error:  # whatever a damaged file makes Pillow raise
                _fail(run, mine, error, "broken-image")
                continue
            try:
                boxes = detector.boxes(image)
            except SDGenError:
                raise
            except Exception as error:  # the library's own, for this image
                failed += 1
                if failed == _GIVE_UP:
                    raise
                _fail(run, mine, error, "tier-failed")
                continue
            failed = 0
            places: dict[Area, _Piece] = {}
            for claim in mine:
                found = find(boxes, claim.kind, *image.size)
                if found is None:
                    yield _Piece("", None, [claim])
                elif found[1] in places:
                    places[found[1]].claims.append(claim)
                else:
                    prepared = self._backend.prepare(cut(image, found[1]))
                    places[found[1]] = _Piece(found[0], prepared, [claim])
            yield from places.values()

    def _encoded(self, pieces: Sequence[_Piece], maker: str, run: Run) -> dict[Claim, Crop]:
        """The embeddings of some crops, kept at once."""
        import numpy as np

        prepared = [piece.prepared for piece in pieces if piece.prepared is not None]
        vectors: Iterator[Floats] = iter(self._backend.encode_images(np.stack(prepared)) if prepared else ())
        out: dict[Claim, Crop] = {}
        for piece in pieces:
            crop = Crop(piece.region, next(vectors) if piece.prepared is not None else None)
            out.update(dict.fromkeys(piece.claims, crop))
        self._store.keep_crops(maker, {(claim.image, claim.kind): crop for claim, crop in out.items()})
        for claim in out:
            run.reached(claim)
        return out

    def _judge(self, crops: Mapping[Claim, Crop], kept: Collection[Claim], run: Run) -> None:
        """Say what all crops of a placeholder's region show: each is judged among the others."""
        groups: dict[tuple[str, str], list[Claim]] = {}
        for claim, crop in crops.items():
            if crop.vector is None:
                message = f"image {claim.image}: the detector found no part of it that shows {claim.placeholder}"
                run.fail(claim, "no-region", message)
            else:
                groups.setdefault((claim.placeholder, crop.region), []).append(claim)
        for (placeholder, region), mine in groups.items():
            contrast = self._contrasts[placeholder]
            vectors = [vector for claim in mine if (vector := crops[claim].vector) is not None]
            found = crop_probabilities(vectors, [claim.value for claim in mine], contrast, region, self._backend.scale)
            for at, claim in enumerate(mine):
                if found is None:
                    run.fail(claim, "no-region", f"no value of {placeholder} stands out in the crops of the {region}")
                else:
                    answer = Answer(found[at], f"crop:{region}", region in contrast.calibrations)
                    run.answer(claim, answer, kept=claim in kept)


@dataclass
class _Piece:
    """A crop, prepared for the model, (3, h, w), and the claims of one image that it serves; None where there is no region."""

    region: str
    prepared: Floats | None
    claims: list[Claim]


def crop_probabilities(
    vectors: Sequence[Floats], asked: Sequence[str], contrast: Contrast, region: str, scale: float
) -> list[float] | None:
    """How probable it is that each crop shows the value it was ``asked`` for, as for whole images (see ``levels``): n vectors (width,).

    None when no value stands out in these crops.
    """
    import numpy as np

    similarities = (np.stack(vectors) @ contrast.vectors.T).astype(np.float64)
    column = np.array([contrast.column[value] for value in asked])
    levels = estimate(similarities, column, scale, near=(contrast.vectors @ contrast.vectors.T).astype(np.float64))
    calibration = contrast.calibrations.get(region)
    if calibration is not None:
        found = calibration.probabilities(features(levels.corrected(similarities), column, scale))
    elif levels.unseen:
        return None
    else:
        found = levels.probabilities(similarities, column)
    return [float(p) for p in found]


class VlmTier:
    """Yes or no from a vision-language model (see ``vlm``). ``open_image``: key -> RGB image, called in other threads."""

    name: TierName = "vlm"
    every = False

    def __init__(self, settings: VlmSettings, open_image: Callable[[str], Image.Image], store: CascadeStore) -> None:
        self._settings, self._open, self._store = settings, open_image, store

    def serves(self, claim: Claim) -> bool:
        return bool(claim.words.strip())

    def answer(self, claims: Sequence[Claim], run: Run) -> None:
        model = model_name(self._settings)
        seen = f"{model} {self._settings.image_side}px"  # what the model sees belongs to the answer
        kept = self._store.said((claim.image for claim in claims), seen)
        rest: dict[Ask, list[Claim]] = {}
        for claim in claims:
            ask = Ask(claim.image, self._settings.question(claim.kind, claim.words))
            said = kept.get((ask.image, ask.question))
            if said is None:
                rest.setdefault(ask, []).append(claim)
            else:
                self._judge(claim, model, said, run, kept=True)

        def answered(ask: Ask, verdict: Verdict | SDGenError) -> None:
            if isinstance(verdict, SDGenError):
                for claim in rest[ask]:
                    run.fail(claim, verdict.code, str(verdict))
                return
            said = Said(verdict.probability, verdict.basis, verdict.reason, verdict.text)
            if verdict.reason != "unfinished":  # more room to think may change that
                self._store.say(ask.image, ask.question, seen, said)
            for claim in rest[ask]:
                self._judge(claim, model, said, run, kept=False)

        try:
            ask_all(self._settings.model_copy(update={"model": model}), rest, self._open, answered, run.stopped)
        finally:
            if self._store.trouble:
                run.remark(self._store.trouble)

    def _judge(self, claim: Claim, model: str, said: Said, run: Run, *, kept: bool) -> None:
        if said.probability is None:
            code = "vlm-refused" if said.reason == "refused" else "vlm-unclear"
            run.fail(claim, code, f"image {claim.image}, {claim.words!r}: {said.said or 'no answer'}")
            return
        method = f"vlm:{model}" + (" (text)" if said.basis == "text" else "")
        run.answer(claim, Answer(said.probability, method, calibrated=False), kept=kept)


def _fail(run: Run, claims: Sequence[Claim], error: Exception, code: str) -> None:
    for claim in claims:
        if isinstance(error, SDGenError):
            run.fail(claim, error.code, str(error))
        else:
            run.fail(claim, code, f"image {claim.image}: {type(error).__name__}: {error}")
