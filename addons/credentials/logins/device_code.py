"""One engine for sign-ins by device code (RFC 8628): a code is shown, a person enters it elsewhere, we ask until then.

What a vendor's answer means is the vendor's table (`copilot.py`, `codex.py`, `minimax.py`); what follows from it is
this one, and the same for all. `wait` asks again after the interval; a "growing" one is longer from then on.

    said         then      the interval                                            in words
    PENDING      wait      stays                                                   nobody has entered the code yet
    SLOW_DOWN    wait      5 s more for good, or what the vendor says if longer    asked too often
    SILENT       wait      doubled once more for each in a row, at most a minute   no answer, or trouble on its side
    GRANTED      fetch the tokens
    EXPIRED      end                                                               the code is too old
    DENIED       end                                                               the person said no
    REFUSED      end                                                               anything else that will not change
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ringlet_mitm.addons.credentials.login import Login
from ringlet_mitm.addons.credentials.logins.asking import (
    Answer,
    Ask,
    Client,
    LoginRefused,
    Proof,
    VendorTrouble,
    in_one_line,
    new_proof,
)
from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.provider_files import LoginSpec

# RFC 8628, sections 3.2 and 3.5.
DEFAULT_INTERVAL_S = 5.0
SLOWER_S = 5.0
SHORTEST_INTERVAL_S = 1.0
LONGEST_INTERVAL_S = 60.0
# A laptop that slept has its network back before so many tries; a wrong proxy or CA never has.
SILENCES = 6
FETCH_TRIES = 3


class Said(StrEnum):
    """What an answer to "has somebody entered the code?" means."""

    PENDING = "pending"
    SLOW_DOWN = "slow-down"
    SILENT = "silent"
    GRANTED = "granted"
    EXPIRED = "expired"
    DENIED = "denied"
    REFUSED = "refused"


WAITS = frozenset({Said.PENDING, Said.SLOW_DOWN, Said.SILENT})
# RFC 8628, section 3.5, and RFC 6749, section 5.2; any other error is REFUSED.
ERRORS = {
    "authorization_pending": Said.PENDING,
    "slow_down": Said.SLOW_DOWN,
    "expired_token": Said.EXPIRED,
    "access_denied": Said.DENIED,
}
ENDS = {
    Said.EXPIRED: "the code has expired before anybody entered it",
    Said.DENIED: "the sign-in was declined",
    Said.REFUSED: "refused the sign-in",
    Said.SILENT: "gave no usable answer for too long",
}


@dataclass(frozen=True, slots=True)
class Code:
    """What a person needs, and what asks for the result: `handle` is the vendor's name for this sign-in."""

    user_code: str
    url: str
    ends_at: float
    interval_s: float = DEFAULT_INTERVAL_S
    url_with_code: str = ""
    handle: str = field(default="", repr=False)
    proof: Proof | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Poll:
    """An answer understood: `slower_s` is an interval that came with it, `refresh` what the tokens are renewed with."""

    said: Said
    answer: Answer
    slower_s: float = 0.0
    refresh: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a sign-in or a refresh gave; an empty `refresh` means that the one there is stays."""

    access: str = field(repr=False)
    expires_at: float | None
    refresh: str = field(default="", repr=False)
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class DeviceFlow:
    """One vendor's table: requests it wants, and how its answers are read. No function does I/O.

    Readers raise LoginRefused where only a person can mend it, and VendorTrouble where a later try may work.
    ask_tokens: None where the grant has the tokens in it.
    ask_revoke: None where there is nothing to ask; `afterwards` is what a person can do then.
    """

    ask_code: Callable[[LoginSpec, Proof], Ask]
    read_code: Callable[[LoginSpec, Answer, Proof, float], Code]
    ask_grant: Callable[[LoginSpec, Code], Ask]
    read_grant: Callable[[Answer], Poll]
    ask_tokens: Callable[[LoginSpec, Poll], Ask | None]
    ask_refresh: Callable[[Login], Ask]
    read_tokens: Callable[[Answer, float], Tokens]
    ask_revoke: Callable[[Login], Ask | None] = lambda login: None
    afterwards: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Between two questions; `silences` counts unanswered ones in a row."""

    interval_s: float
    ends_at: float
    silences: int = 0

    @property
    def pause_s(self) -> float:
        """How long until the next one."""
        return min(self.interval_s * 2.0**self.silences, max(LONGEST_INTERVAL_S, self.interval_s))


@dataclass(frozen=True, slots=True)
class Clock:
    """The time in seconds since 1970, and how to let it pass."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


def after(waiting: Waiting, said: Said, now: float, slower_s: float = 0.0) -> Waiting | Said:
    """The table above: what to wait for next, or how it ends."""
    if said not in WAITS:
        return said
    silences = waiting.silences + 1 if said is Said.SILENT else 0
    if silences > SILENCES:
        return Said.SILENT
    slow = said is Said.SLOW_DOWN
    interval_s = max(waiting.interval_s + SLOWER_S, slower_s) if slow else waiting.interval_s
    coming = Waiting(interval_s, waiting.ends_at, silences)
    return coming if now + coming.pause_s < waiting.ends_at else Said.EXPIRED


def log_in(
    flow: DeviceFlow, spec: LoginSpec, provider: str, client: Client, show: Callable[[Code], None], clock: Clock
) -> Login:
    """A whole sign-in; `show` tells the person the code. Raises LoginRefused and VendorTrouble. Nothing is stored."""
    proof = new_proof()
    code = showable(flow.read_code(spec, client.ask(flow.ask_code(spec, proof)), proof, clock.now()))
    show(code)
    grant = _granted(flow, spec, code, client, clock)
    ask = flow.ask_tokens(spec, grant)
    answer = _fetched(client, ask, clock) if ask else grant.answer
    tokens = flow.read_tokens(answer, clock.now())
    tokens = replace(tokens, refresh=tokens.refresh or grant.refresh)
    origin = {"provider": provider, "client_id": spec.client_id, "token_url": url_of(spec, "token")}
    origin |= {name: spec.urls[key] for name, key in KEPT_URLS.items() if key in spec.urls}
    return login_of(tokens, f"login:{provider}", origin)


# URLs that later steps of a login need. They are kept with it: a refresh token goes back to who gave it, and to
# nobody else, whatever becomes of the provider's file.
KEPT_URLS = {"exchange_url": "exchange", "revoke_url": "revoke"}


def showable(code: Code) -> Code:
    """A code whose words may go to a terminal and whose page to a browser; raises VendorTrouble."""
    if not code.url.startswith("https://") or not code.url.isprintable() or not code.user_code.isprintable():
        raise VendorTrouble(f"the page to sign in at is odd and not shown: {in_one_line(code.url)}")
    return code


def renewed(flow: DeviceFlow, login: Login, client: Client, now: float) -> Login:
    """A login with a fresh access token; raises LoginRefused where it has ended, and VendorTrouble."""
    tokens = flow.read_tokens(client.ask(flow.ask_refresh(login)), now)
    kept = login.refresh.reveal() if login.refresh else ""
    return login_of(replace(tokens, refresh=tokens.refresh or kept), login.secret.label, login.extra)


def login_of(tokens: Tokens, label: str, extra: Mapping[str, str]) -> Login:
    """Tokens as a login; what they say anew replaces what `extra` knew."""
    refresh = Secret(tokens.refresh, label) if tokens.refresh else None
    return Login("oauth", Secret(tokens.access, label), refresh, tokens.expires_at, {**extra, **tokens.extra})


def url_of(spec: LoginSpec, name: str) -> str:
    """A URL of the `[login]` table; raises ConfigError where it has none of that name."""
    found = spec.urls.get(name)
    if not found:
        raise ConfigError(f"a login by '{spec.flow}' needs the URL '{name}'", key="login")
    return found


def said_by(answer: Answer) -> Said:
    """What an error means by RFC 8628; an answer with neither success nor a known error is the server's trouble."""
    if answer.code in ERRORS:
        return ERRORS[answer.code]
    if answer.overloaded:
        return Said.SILENT
    return Said.GRANTED if answer.ok and not answer.code else Said.REFUSED


def checked(answer: Answer, refused: str) -> Answer:
    """An answer that is a success; raises VendorTrouble where the server has trouble, else LoginRefused."""
    if answer.overloaded:
        raise VendorTrouble(f"{answer.host}: {answer.words}")
    if not answer.ok or answer.code:
        raise LoginRefused(f"{refused}: {answer.words}")
    return answer


def _granted(flow: DeviceFlow, spec: LoginSpec, code: Code, client: Client, clock: Clock) -> Poll:
    waiting = Waiting(max(code.interval_s, SHORTEST_INTERVAL_S), code.ends_at)
    while True:
        clock.sleep(waiting.pause_s)
        try:
            poll = flow.read_grant(client.ask(flow.ask_grant(spec, code)))
            trouble = f"{poll.answer.host} {ENDS.get(poll.said, '')}: {poll.answer.words}"
        except VendorTrouble as error:
            poll, trouble = Poll(Said.SILENT, Answer(0)), str(error)
        if poll.said is Said.GRANTED:
            return poll
        coming = after(waiting, poll.said, clock.now(), poll.slower_s)
        if isinstance(coming, Said):
            raise LoginRefused(ENDS[coming] if coming in (Said.EXPIRED, Said.DENIED) else trouble)
        waiting = coming


def _fetched(client: Client, ask: Ask, clock: Clock) -> Answer:
    """The tokens of a grant, which is spent by fetching them: a lost connection shall not cost another sign-in."""
    for _ in range(FETCH_TRIES - 1):
        try:
            return client.ask(ask)
        except VendorTrouble:
            clock.sleep(SHORTEST_INTERVAL_S)
    return client.ask(ask)
