"""Give the RO-Crate validator its contexts without a network: fill the cache that it reads."""

from __future__ import annotations

from pathlib import Path

from requests_cache import CachedRequest, CachedResponse, CachedSession

CONTEXTS = Path(__file__).parent / "contexts"
FILES = {
    "https://w3id.org/ro/crate/1.1/context": "ro-crate-1.1.jsonld",
    "https://w3id.org/ro/terms/workflow-run/context": "workflow-run.jsonld",
}


def fill(cache: Path) -> Path:
    """Write the contexts into a cache file of requests-cache; return the name to give it by."""
    with CachedSession(str(cache), backend="sqlite", expire_after=-1) as session:
        for url, name in FILES.items():
            session.cache.save_response(_answer(url, (CONTEXTS / name).read_bytes()))
    return cache


def _answer(url: str, body: bytes) -> CachedResponse:
    return CachedResponse(
        content=body,
        headers={"Content-Type": "application/ld+json"},
        reason="OK",
        request=CachedRequest(method="GET", url=url),
        status_code=200,
        url=url,
    )
