"""The page as a web site of this machine alone: its files, and who may read it.

It is only read, with GET, and only from this machine. What a web page elsewhere could try, and what stops it:

    read it across origins            no CORS; what says it comes from elsewhere is refused
    a name of its own for 127.0.0.1   the Host has to be a loopback name with the port that is listened on
    show it in a frame                frame-ancestors, X-Frame-Options
    have it load as a script          nosniff, Cross-Origin-Resource-Policy
    put a script into a model's name  the page writes text, never markup, and runs only files of its own
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PAGE = Path(__file__).parent / "page"
API = ("/api/usage", "/api/analyses", "/api/live")
FOLDER = "/dashboard/"
ENTRANCES = ("/", FOLDER)

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".txt": "text/plain"}
LOOPBACK = re.compile(r"(localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::(\d{1,5}))?", re.IGNORECASE)
HTTP_PORT = 80

HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Said:
    """An answer about the ledger: an HTTP status and JSON."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as far as it matters here; `headers` by their lower-case names, `port` is the one listened on."""

    method: str
    path: str
    headers: Mapping[str, str]
    port: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer over HTTP, HEADERS included."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def problem(status: int, why: str) -> Said:
    """What went wrong, for the page to show."""
    return Said(status, json.dumps({"problem": why}).encode())


def is_part(path: str) -> bool:
    """Whether a path, with or without a query, belongs to the site."""
    bare = path.partition("?")[0]
    return bare in ENTRANCES or bare in API or bare.startswith(FOLDER) or bare == FOLDER.rstrip("/")


def question(asked: Asked) -> str | None:
    """What is asked of the ledger, to be answered with `told`; None where it is something else, or refused."""
    bare, mark, query = asked.path.partition("?")
    return f"{Path(bare).name}{mark}{query}" if bare in API and refusal(asked) is None else None


def told(said: Said) -> Answer:
    """An answer of the ledger."""
    return _answer(said.status, "application/json", said.body)


def answered(asked: Asked) -> Answer:
    """What is answered to all but a `question`: a file, or why not."""
    why = refusal(asked)
    if why is not None:
        status, text = why
        return _answer(status, "text/plain", f"{text}\n".encode(), {"allow": "GET"} if status == 405 else {})
    bare = asked.path.partition("?")[0]
    name = "index.html" if bare in ENTRANCES else bare.removeprefix(FOLDER)
    body = files().get(name)
    if body is None:
        return _answer(404, "text/plain", b"there is nothing here; the page is at /\n")
    return _answer(200, TYPES[Path(name).suffix], body)


def refusal(asked: Asked) -> tuple[int, str] | None:
    """A status and the words for it, where somebody asks who should not."""
    host = asked.headers.get("host", "")
    named = LOOPBACK.fullmatch(host)
    if named is None or int(named[2] or HTTP_PORT) != asked.port:
        return 403, f"this is not the site of that host; open http://127.0.0.1:{asked.port}/"
    if asked.method != "GET":
        return 405, "this is only to be read: GET"
    if asked.headers.get("origin", f"http://{host}").lower() != f"http://{host}".lower():
        return 403, "not for web pages of other sites"
    if asked.headers.get("sec-fetch-site", "none").lower() not in ("none", "same-origin") and not _follows_link(asked):
        return 403, "not for web pages of other sites"
    return None


def _follows_link(asked: Asked) -> bool:
    """A link elsewhere may lead to the page itself, which has no numbers in it yet and shows in no frame."""
    kind = asked.headers.get("sec-fetch-mode", ""), asked.headers.get("sec-fetch-dest", "")
    return kind == ("navigate", "document") and asked.path.partition("?")[0] in ENTRANCES


@cache
def files() -> Mapping[str, bytes]:
    """The files of the page by name; only these are served."""
    found = (path for path in PAGE.rglob("*") if path.suffix in TYPES)
    return {path.relative_to(PAGE).as_posix(): path.read_bytes() for path in found}


def _answer(status: int, kind: str, body: bytes, more: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, {"content-type": f"{kind}; charset=utf-8", **HEADERS, **(more or {})}, body)
