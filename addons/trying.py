"""Whether providers work: one tiny request each, the way that all requests go, and what was wrong as a value.

`trial.py` makes the requests, in a process of its own; here their outcome is told apart as far as a person could act on
it. The kinds of failure are those of the ledger; some of them mean several things to do.
"""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from tempfile import TemporaryFile
from threading import Timer
from typing import IO

import msgspec

from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow
from ringlet_mitm.addons.wire.faults import error_in
from ringlet_mitm.rules.failures import FailureKind
from ringlet_mitm.rules.redaction import masked

# What the ledger says these requests belong to.
PROFILE = "providers-test"
# -P: without it the folder that the command was called in could put its own modules before the installed ones.
CHILD = (sys.executable, "-P", "-m", "ringlet_mitm.addons.trial")
# A process takes 1.5 s to start and half a second to end; a machine with nothing to spare several times that.
GRACE_S = 20.0
SAID_LIMIT = 400


class Ask(msgspec.Struct, frozen=True):
    """What to try, and how long to wait for it."""

    provider: str
    model: str
    timeout_s: float


class Batch(msgspec.Struct, frozen=True):
    """What one process tries; `connect_to` and `upstream_ca` as of `start`."""

    asks: list[Ask]
    connect_to: list[str] = []
    upstream_ca: str = ""


class Told(msgspec.Struct, frozen=True):
    """What came of it. `failure` says why nothing was sent at all, `broke` how the connection ended before its time.

    `row` is what the ledger has, `text` the beginning of the answer's body. Times are milliseconds from sending.
    """

    status: int | None = None
    text: str = ""
    first_byte_ms: float | None = None
    total_ms: float = 0.0
    broke: str = ""
    failure: str = ""
    row: RequestRow | None = None
    attempts: list[AttemptRow] = []


class Line(msgspec.Struct, frozen=True):
    """What the process prints of one of them, as soon as it is done."""

    place: int
    told: Told


class Trouble(StrEnum):
    """What was wrong, as far as there is something else to do about it."""

    NO_KEY = "no-key"
    WRONG_KEY = "wrong-key"
    NO_PERMISSION = "no-permission"
    QUOTA = "quota"
    RATE_LIMITED = "rate-limited"
    OVERLOADED = "overloaded"
    NO_SUCH_MODEL = "no-such-model"
    WRONG_ENDPOINT = "wrong-endpoint"
    NO_SUCH_HOST = "no-such-host"
    NOTHING_LISTENS = "nothing-listens"
    TLS = "tls"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed-out"
    BROKE_OFF = "broke-off"
    SERVER_ERROR = "server-error"
    REFUSED_REQUEST = "refused-request"
    NOT_SENT = "not-sent"


@dataclass(frozen=True, slots=True)
class Tried:
    """How it went; `trouble` is None where it works. `said` are the provider's own words, without keys.

    Times are milliseconds from sending to the first byte of the answer's body and to its end.
    """

    provider: str
    model: str
    trouble: Trouble | None = None
    said: str = ""
    status: int | None = None
    format: str = ""
    answered_model: str = ""
    key_label: str = ""
    first_byte_ms: float | None = None
    total_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    estimated: bool = False
    cost_usd: Decimal | None = None

    @property
    def works(self) -> bool:
        """Whether an answer came."""
        return self.trouble is None


def tried(batch: Batch, environ: Mapping[str, str]) -> Iterator[Tried]:
    """Make the requests in a process with these variables, and say how each went, in their order, as soon as known.

    Blocks for as long as they may take. Ctrl-C reaches that process too.
    """
    asks = batch.asks
    done: dict[int, Told] = {}
    with TemporaryFile() as errors, _process(environ, errors) as process:
        patience_s = GRACE_S + sum(ask.timeout_s for ask in asks)
        watch = Timer(patience_s, process.kill)
        watch.start()
        try:
            assert process.stdin is not None and process.stdout is not None
            with suppress(BrokenPipeError):
                process.stdin.write(msgspec.json.encode(batch))
                process.stdin.close()
            given = 0
            for text in process.stdout:
                line = msgspec.json.decode(text, type=Line)
                done[line.place] = line.told
                while given in done:
                    yield outcome(asks[given], done[given])
                    given += 1
        except BaseException:
            process.kill()
            raise
        finally:
            watch.cancel()
        process.wait()
        errors.seek(0)
        said = masked(errors.read().decode("utf-8", "replace").strip().rpartition("\n")[2])
    for place in range(given, len(asks)):
        told = done.get(place, Told(failure=f"the proxy for the requests ended too early: {said or 'it was killed'}"))
        yield outcome(asks[place], told)


def _process(environ: Mapping[str, str], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(CHILD, env=dict(environ), stdin=pipe, stdout=pipe, stderr=errors)


def outcome(ask: Ask, told: Told) -> Tried:
    """What a person is told of it."""
    row, attempt = told.row, told.attempts[-1] if told.attempts else None
    trouble = trouble_of(told, ask.model)
    plain = Tried(
        ask.provider, ask.model, trouble, "" if trouble is None else masked(said_in(told))[:SAID_LIMIT], told.status
    )
    if row is None:
        return plain
    first = attempt.first_byte_us if attempt else None
    used = row.usage_source != "none"
    return Tried(
        provider=row.provider or ask.provider,
        model=row.routed_model or ask.model,
        trouble=trouble,
        said=plain.said,
        status=row.status,
        format=row.provider_format,
        answered_model=row.answered_model,
        key_label=attempt.key_label if attempt else "",
        first_byte_ms=(first - attempt.started_us) / 1000 if attempt and first else None,
        total_ms=(row.ended_us - attempt.started_us) / 1000 if attempt else None,
        input_tokens=row.usage.total_input if used else None,
        output_tokens=row.usage.total_output if used else None,
        estimated=row.usage_source == "estimated",
        cost_usd=row.cost_total,
    )


# What one kind of failure always means.
PLAIN: dict[str, Trouble] = {
    FailureKind.QUOTA: Trouble.QUOTA,
    FailureKind.RATE_LIMITED: Trouble.RATE_LIMITED,
    FailureKind.OVERLOADED: Trouble.OVERLOADED,
    FailureKind.TIMED_OUT: Trouble.TIMED_OUT,
    FailureKind.BROKEN_STREAM: Trouble.BROKE_OFF,
    FailureKind.CLIENT_GONE: Trouble.TIMED_OUT,
    FailureKind.SERVER_ERROR: Trouble.SERVER_ERROR,
}
# What mitmproxy and the operating systems say of a connection that there is none of.
CONNECTING: tuple[tuple[str, Trouble], ...] = (
    (r"name or service not known|nodename nor servname|name resolution|getaddrinfo", Trouble.NO_SUCH_HOST),
    (r"no address associated|name does not resolve|no such host", Trouble.NO_SUCH_HOST),
    (r"connect call failed|connection refused|actively refused|multiple exceptions", Trouble.NOTHING_LISTENS),
    (r"certificate|tls|ssl", Trouble.TLS),
    (r"timed? ?out|timeout", Trouble.TIMED_OUT),
)
HTML = re.compile(r"<(?:!doctype|html|head|body)\b", re.IGNORECASE)
PARAGRAPH = re.compile(r"<p>(.*?)</p>", re.DOTALL)
TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]+>", re.DOTALL | re.IGNORECASE)
# OpenAI answers 400 where a model that thinks has used up the few tokens of the question before it said a word.
CUT_SHORT = "max_tokens or model output limit was reached"
# LM Studio answers 200 to a path that it does not have.
WRONG_PATH = "unexpected endpoint"
REVOKED = re.compile(r"api.?key|token|credential|unauthori[sz]ed|not authenticated", re.IGNORECASE)


def trouble_of(told: Told, model: str) -> Trouble | None:
    """What was wrong, None where nothing was."""
    if told.failure:
        return Trouble.NOT_SENT
    if told.row is None:
        return Trouble.TIMED_OUT if "Timeout" in told.broke else Trouble.UNREACHABLE
    kind, said = told.row.error_class, said_in(told)
    if not kind or CUT_SHORT in said:
        return None
    if WRONG_PATH in said.lower():
        return Trouble.WRONG_ENDPOINT
    return PLAIN.get(kind) or _narrowed(kind, told, said, model)


def _narrowed(kind: str, told: Told, said: str, model: str) -> Trouble:
    """Kinds that mean several things to do."""
    match kind:
        case FailureKind.NOT_SENT:
            return Trouble.NO_KEY if told.status == 401 else Trouble.NOT_SENT
        case FailureKind.AUTH:
            return Trouble.NO_PERMISSION if told.status == 403 and not _about_key(said) else Trouble.WRONG_KEY
        case FailureKind.NO_SUCH_MODEL:
            known = not HTML.search(told.text) and _about_model(said, model)
            return Trouble.NO_SUCH_MODEL if known else Trouble.WRONG_ENDPOINT
        case FailureKind.UNREACHABLE:
            lower = said.lower()
            return next((trouble for words, trouble in CONNECTING if re.search(words, lower)), Trouble.UNREACHABLE)
    if HTML.search(told.text) or told.status == 405:
        return Trouble.WRONG_ENDPOINT
    return Trouble.REFUSED_REQUEST


def _about_key(said: str) -> bool:
    """Several vendors answer 403 to a wrong key."""
    return REVOKED.search(said) is not None and "permission" not in said.lower()


def _about_model(said: str, model: str) -> bool:
    """Whether a 404 is the vendor's about a model, not a web server's about a path."""
    lower = said.lower()
    return "model" in lower or model.lower() in lower or "inference profile" in lower


def said_in(told: Told) -> str:
    """The words in an answer that is an error: its message, or what a person would read of a page."""
    text = told.failure or told.text.strip()
    found = error_in(_json(text))
    if found is None:
        events = (_json(line.removeprefix("data:")) for line in text.splitlines() if line.startswith("data:"))
        found = next(filter(None, map(error_in, events)), None)
    return _readable(found.message or found.type if found is not None else text)


def _readable(text: str) -> str:
    """A web page as its words, of mitmproxy's own page the one sentence that says what happened."""
    if HTML.search(text):
        paragraph = PARAGRAPH.search(text)
        text = html.unescape(TAGS.sub(" ", paragraph[1] if paragraph else text))
    return " ".join(text.split())


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
