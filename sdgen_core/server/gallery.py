"""The catalog's routes. Everything is named by ids: images by numbers, sessions by slugs, thumbnails by keys; no path comes or goes.

Pages, counts and cards carry ``version``, which is their ETag as well. What is written is told to all clients (see ``Library.tell``),
whoever wrote it. Verdicts are one user's for now: where a ComfyUI has several, they share them.
"""

from __future__ import annotations

from ..catalog.sessions import SessionQuery
from . import gallery_compare as comparing
from . import gallery_complete as completion
from . import gallery_export as exporting
from . import gallery_facets as counts
from . import gallery_images as images
from . import gallery_judging as judging
from . import gallery_library as library
from . import gallery_review as reviewing
from . import gallery_scoring as scoring
from . import gallery_sessions as sessions
from . import gallery_similar as alike
from . import gallery_training as training
from . import gallery_trash as trash
from .gallery_pages import page_version, version
from .model import NAMED_LIMIT, Empty
from .model_compare import CompareAsked, Compared, CompareQueueBody, CompareQueued
from .model_facets import CompleteAsked, Completion, Duplicates, DuplicatesAsked, Facets, FacetsAsked
from .model_images import (
    Cards,
    CardsBody,
    FileAsked,
    FindBody,
    Ids,
    IdsAsked,
    ImageDetails,
    ImagesAsked,
    ImagesPage,
    Metadata,
    Similar,
    SimilarAsked,
)
from .model_judging import (
    JUDGEMENTS_LIMIT,
    History,
    HistoryAsked,
    ImportJudgementsBody,
    JudgeBody,
    Judged,
    JudgementsImported,
    JudgeSessionsBody,
    SavedQueries,
    SaveQueryBody,
    Turned,
)
from .model_library import CatalogState, ImportBody, ImportProgress, Statistics, StatisticsAsked
from .model_review import Review, ReviewAsked
from .model_sessions import SessionDetails, SessionList
from .model_trash import TrashEmptyBody, TrashPreview, TrashPreviewBody, TrashReport
from .route import Route

_IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp", "application/octet-stream")

ROUTES: tuple[Route, ...] = (
    Route("GET", "/sdgen/catalog", library.catalog, "What there is, in numbers", answer=CatalogState),
    # images
    Route(
        "GET",
        "/sdgen/images",
        images.page,
        "A page of what a query finds",
        query=ImagesAsked,
        answer=ImagesPage,
        version=page_version,
    ),
    Route(
        "POST",
        "/sdgen/images/find",
        images.find,
        "The same for a query as JSON",
        body=FindBody,
        answer=ImagesPage,
        asks=True,
    ),
    Route(
        "GET",
        "/sdgen/images/ids",
        images.ids,
        "The ids of everything that a query finds, in order: little-endian int32 one behind the other, or JSON",
        query=IdsAsked,
        answer=Ids,
        types=("application/octet-stream",),
        version=version,
    ),
    Route(
        "POST",
        "/sdgen/images/cards",
        images.cards_of,
        "Cards of images by their ids",
        body=CardsBody,
        answer=Cards,
        asks=True,
    ),
    Route("GET", "/sdgen/images/{id}", images.show, "Everything about an image", answer=ImageDetails, version=version),
    Route("GET", "/sdgen/images/{id}/file", images.file, "An image's own file", query=FileAsked, types=_IMAGE_TYPES),
    Route(
        "GET",
        "/sdgen/images/{id}/similar",
        alike.similar,
        "Images that look like this one",
        query=SimilarAsked,
        answer=Similar,
        version=version,
    ),
    Route(
        "GET", "/sdgen/images/{id}/metadata", images.metadata, "What an image's file says of itself", answer=Metadata
    ),
    Route("GET", "/sdgen/thumbs/{key}-{size}.webp", images.thumbnail, "A thumbnail", types=("image/webp",), slow=True),
    # sessions
    Route(
        "GET",
        "/sdgen/library/sessions",
        sessions.sessions,
        "A page of the library's sessions, and what the filters can be set to",
        query=SessionQuery,
        answer=SessionList,
        version=version,
    ),
    Route(
        "GET",
        "/sdgen/library/sessions/{slug}",
        sessions.session,
        "Everything about a session of the library",
        answer=SessionDetails,
        version=version,
    ),
    # counts
    Route(
        "GET",
        "/sdgen/facets",
        counts.facets,
        "How many images every choice would find under a query",
        query=FacetsAsked,
        answer=Facets,
        version=version,
    ),
    Route(
        "GET",
        "/sdgen/complete",
        completion.complete,
        "How a query can go on",
        query=CompleteAsked,
        answer=Completion,
        version=version,
    ),
    Route(
        "GET",
        "/sdgen/statistics/{table}",
        library.statistics,
        "A table of the statistics; trash and files that are gone count unless the query leaves them out",
        query=StatisticsAsked,
        answer=Statistics,
        types=("text/csv",),
        version=version,
        slow=True,
    ),
    Route(
        "GET",
        "/sdgen/duplicates",
        alike.duplicates,
        "Groups of images that look alike",
        query=DuplicatesAsked,
        answer=Duplicates,
        version=version,
        slow=True,
    ),
    # side by side
    Route(
        "GET",
        "/sdgen/compare",
        comparing.compare,
        "A session's images by values and seeds",
        query=CompareAsked,
        answer=Compared,
        slow=True,
    ),
    Route(
        "POST",
        "/sdgen/compare/queue",
        comparing.queue,
        "Have one image of the matrix made that is not there",
        body=CompareQueueBody,
        answer=CompareQueued,
        slow=True,
    ),
    # judging
    Route(
        "POST",
        "/sdgen/judge",
        judging.judge,
        "Judge images, as one step",
        body=JudgeBody,
        limit=NAMED_LIMIT,
        answer=Judged,
    ),
    Route(
        "POST",
        "/sdgen/judge/sessions",
        judging.judge_sessions,
        "Judge sessions, as one step",
        body=JudgeSessionsBody,
        answer=Judged,
    ),
    Route("POST", "/sdgen/undo", judging.undo, "Take the last step back", body=Empty, answer=Turned),
    Route("POST", "/sdgen/redo", judging.redo, "Do again what was taken back", body=Empty, answer=Turned),
    Route(
        "GET", "/sdgen/history", judging.history, "The last steps", query=HistoryAsked, answer=History, version=version
    ),
    Route("GET", "/sdgen/queries", judging.queries, "The saved queries", answer=SavedQueries, version=version),
    Route(
        "POST", "/sdgen/queries", judging.save_query, "Keep or forget a query", body=SaveQueryBody, answer=SavedQueries
    ),
    Route(
        "GET",
        "/sdgen/judgements",
        judging.export,
        "Everything that was said, as a file of JSON lines",
        types=("application/x-ndjson",),
        slow=True,
    ),
    Route(
        "POST",
        "/sdgen/judgements",
        judging.take_in,
        "Take over judgements from such a file, the newer ones",
        body=ImportJudgementsBody,
        answer=JudgementsImported,
        slow=True,
        limit=JUDGEMENTS_LIMIT,
    ),
    Route(
        "GET",
        "/sdgen/review",
        reviewing.review,
        "What to judge next: images that say most about the least known values",
        query=ReviewAsked,
        answer=Review,
        version=version,
    ),
    # the trash
    Route("GET", "/sdgen/trash", trash.show, "What is in the trash", answer=TrashPreview, slow=True),
    Route(
        "POST",
        "/sdgen/trash/preview",
        trash.preview,
        "What emptying the trash would remove of what a query finds",
        body=TrashPreviewBody,
        answer=TrashPreview,
        asks=True,
        slow=True,
    ),
    Route(
        "POST",
        "/sdgen/trash/empty",
        trash.empty,
        "Move files of images that are in the trash into the system's trash",
        body=TrashEmptyBody,
        limit=NAMED_LIMIT,
        answer=TrashReport,
        slow=True,
    ),
    *exporting.ROUTES,
    *scoring.ROUTES,
    *training.ROUTES,
    # import
    Route("GET", "/sdgen/import", library.progress, "How far the import is", answer=ImportProgress),
    Route(
        "POST", "/sdgen/import", library.import_now, "Look through the folders", body=ImportBody, answer=ImportProgress
    ),
    Route("POST", "/sdgen/import/cancel", library.cancel_import, "End the import", body=Empty, answer=ImportProgress),
)
