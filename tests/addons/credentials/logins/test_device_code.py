from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oauth_vendor import ACCOUNT, COPILOT_API, SPECS, FastClock, OAuthVendor

from ringlet_mitm.addons.credentials.login import Login
from ringlet_mitm.addons.credentials.logins.asking import Answer, Ask, LoginRefused, VendorTrouble
from ringlet_mitm.addons.credentials.logins.device_code import (
    SILENCES,
    Clock,
    Code,
    Said,
    Waiting,
    after,
    log_in,
    said_by,
    showable,
)
from ringlet_mitm.addons.credentials.logins.flows import FLOWS
from ringlet_mitm.addons.credentials.logins.vendor_client import VendorClient

PROVIDERS = tuple(SPECS)
WAITING = Waiting(interval_s=5, ends_at=900)


@pytest.mark.parametrize(
    ("waiting", "said", "now", "slower_s", "then"),
    [
        (WAITING, Said.PENDING, 10, 0, WAITING),
        (WAITING, Said.SLOW_DOWN, 10, 0, Waiting(10, 900)),
        (WAITING, Said.SLOW_DOWN, 10, 30, Waiting(30, 900)),
        (WAITING, Said.SLOW_DOWN, 10, 7, Waiting(10, 900)),
        (WAITING, Said.SILENT, 10, 0, Waiting(5, 900, 1)),
        (Waiting(5, 900, 3), Said.PENDING, 10, 0, WAITING),
        (Waiting(5, 900, SILENCES), Said.SILENT, 10, 0, Said.SILENT),
        (WAITING, Said.PENDING, 896, 0, Said.EXPIRED),
        (WAITING, Said.SLOW_DOWN, 890, 0, Said.EXPIRED),
        (WAITING, Said.GRANTED, 10, 0, Said.GRANTED),
        (WAITING, Said.EXPIRED, 10, 0, Said.EXPIRED),
        (WAITING, Said.DENIED, 10, 0, Said.DENIED),
        (WAITING, Said.REFUSED, 10, 0, Said.REFUSED),
    ],
    ids=[
        "pending keeps the interval",
        "slow_down adds five seconds",
        "slow_down with a longer interval of its own",
        "slow_down with a shorter one",
        "a silence is counted",
        "an answer ends silences",
        "too many silences",
        "no time for another question",
        "no time for the longer interval",
        "granted",
        "expired",
        "denied",
        "refused",
    ],
)
def test_what_follows(waiting: Waiting, said: Said, now: float, slower_s: float, then: Waiting | Said) -> None:
    assert after(waiting, said, now, slower_s) == then


@pytest.mark.parametrize(("silences", "pause_s"), [(0, 5), (1, 10), (2, 20), (3, 40), (4, 60), (6, 60)])
def test_silences_double_the_pause_up_to_a_minute(silences: int, pause_s: float) -> None:
    assert Waiting(5, 900, silences).pause_s == pause_s


@given(
    st.lists(st.sampled_from(Said), max_size=300),
    st.floats(1, 120),
    st.floats(1, 3600),
)
def test_it_always_ends_in_time_and_never_hurries(said: list[Said], interval_s: float, life_s: float) -> None:
    now, waiting = 0.0, Waiting(interval_s, life_s)
    for answer in said:
        now += waiting.pause_s
        coming = after(waiting, answer, now)
        if isinstance(coming, Said):
            return
        assert now + coming.pause_s < life_s
        assert coming.interval_s >= waiting.interval_s
        waiting = coming


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, {"error": "authorization_pending"}, Said.PENDING),
        (400, {"error": "slow_down"}, Said.SLOW_DOWN),
        (400, {"error": "expired_token"}, Said.EXPIRED),
        (403, {"error": {"code": "access_denied"}}, Said.DENIED),
        (200, {"error": "device_flow_disabled"}, Said.REFUSED),
        (401, {}, Said.REFUSED),
        (429, {}, Said.SILENT),
        (503, {}, Said.SILENT),
        (200, {"access_token": "x"}, Said.GRANTED),
    ],
)
def test_errors_by_their_rfc_names(status: int, body: dict[str, Any], said: Said) -> None:
    assert said_by(Answer(status, body)) is said


@pytest.mark.parametrize(
    ("url", "user_code"),
    [
        ("file:///etc/passwd", "A"),
        ("http://github.com/login", "A"),
        ("https://x/\x1b[2J", "A"),
        ("https://x", "A\x1b]0;"),
    ],
)
def test_what_does_not_belong_on_a_terminal_is_not_shown(url: str, user_code: str) -> None:
    with pytest.raises(VendorTrouble, match="not shown") as caught:
        showable(Code(user_code, url, 900))
    assert str(caught.value).isprintable()


def sign_in(provider: str, client: VendorClient, clock: FastClock, shown: list[Code]) -> Login:
    spec = SPECS[provider]
    return log_in(FLOWS[spec.flow], spec, provider, client, shown.append, Clock(clock.now, clock.sleep))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_sign_in(provider: str, oauth: OAuthVendor, client: VendorClient) -> None:
    oauth.interval_s = 5
    oauth.script.extend(["pending", "pending"])
    clock, shown = FastClock(), list[Code]()
    login = sign_in(provider, client, clock, shown)
    assert clock.pauses == [5, 5, 5]
    assert shown[0].url.startswith("https://")
    assert shown[0].user_code in ("WDJB-MJHT", "ABCD-12345", "MMX-4711")
    assert login.secret.reveal() in oauth.secrets
    assert login.refresh is not None
    assert login.refresh.reveal() in oauth.secrets
    assert login.expires_at == pytest.approx(clock.now() + oauth.life_s, abs=200)
    assert (login.secret.label, login.extra["provider"]) == (f"login:{provider}", provider)
    extra = {"copilot": ("api", COPILOT_API), "openai-codex": ("account_id", ACCOUNT)}
    name, value = extra.get(provider, ("resource_url", "https://api.minimax.io"))
    assert login.extra[name] == value


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_server_in_trouble_is_asked_again(provider: str, oauth: OAuthVendor, client: VendorClient) -> None:
    oauth.interval_s = 2
    oauth.script.extend(["trouble", "trouble", "pending"])
    clock = FastClock()
    sign_in(provider, client, clock, [])
    assert clock.pauses == [2, 4, 8, 2]


@pytest.mark.parametrize("provider", ["copilot", "openai-codex"])
def test_slow_down_is_for_good(provider: str, oauth: OAuthVendor, client: VendorClient) -> None:
    oauth.interval_s = 5
    oauth.script.extend(["slow_down", "pending", "slow_down"])
    clock = FastClock()
    sign_in(provider, client, clock, [])
    assert clock.pauses == [5, 10, 10, 15]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("said", "match"), [("denied", "declined|It is denied"), ("expired", "expired")])
def test_how_it_ends_without_a_token(
    provider: str, said: str, match: str, oauth: OAuthVendor, client: VendorClient
) -> None:
    oauth.script.extend(["pending", said])
    with pytest.raises(LoginRefused, match=match):
        sign_in(provider, client, FastClock(), [])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_nobody_enters_the_code(provider: str, oauth: OAuthVendor, client: VendorClient) -> None:
    oauth.expires_in = 900
    oauth.interval_s = 60
    oauth.script.extend(["pending"] * 30)
    clock = FastClock()
    with pytest.raises(LoginRefused, match="expired before anybody entered it"):
        sign_in(provider, client, clock, [])
    assert 800 < sum(clock.pauses) <= 900


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_server_that_is_down_at_the_start_is_said_at_once(
    provider: str, oauth: OAuthVendor, client: VendorClient
) -> None:
    oauth.down = True
    clock = FastClock()
    with pytest.raises(VendorTrouble, match="Service Unavailable"):
        sign_in(provider, client, clock, [])
    assert clock.pauses == []


def test_a_line_that_stays_dead_is_given_up_with_the_reason(client: VendorClient) -> None:
    class Dies:
        """The vendor's host goes away after the code."""

        alive = True

        def ask(self, ask: Ask) -> Answer:
            if not self.alive:
                raise VendorTrouble("github.com cannot be reached: no route")
            self.alive = False
            return client.ask(ask)

    clock, spec = FastClock(), SPECS["copilot"]
    with pytest.raises(LoginRefused, match="no route"):
        log_in(FLOWS[spec.flow], spec, "copilot", Dies(), lambda code: None, Clock(clock.now, clock.sleep))
    assert len(clock.pauses) == SILENCES + 1


def test_a_connection_lost_while_the_tokens_are_fetched_costs_no_second_sign_in(
    oauth: OAuthVendor, client: VendorClient
) -> None:
    class Stumbles:
        """The first try for the tokens never gets there."""

        stumbled = False

        def ask(self, ask: Ask) -> Answer:
            if "copilot_internal" in ask.url and not self.stumbled:
                self.stumbled = True
                raise VendorTrouble("api.github.com cannot be reached")
            return client.ask(ask)

    clock, spec = FastClock(), SPECS["copilot"]
    login = log_in(FLOWS[spec.flow], spec, "copilot", Stumbles(), lambda code: None, Clock(clock.now, clock.sleep))
    assert login.secret.reveal() in oauth.secrets


@pytest.mark.parametrize("provider", PROVIDERS)
def test_nothing_shown_or_printed_has_a_token(provider: str, oauth: OAuthVendor, client: VendorClient) -> None:
    shown: list[Code] = []
    login = sign_in(provider, client, FastClock(), shown)
    said = f"{shown!r} {login!r} {json.dumps(dict(login.extra))}"
    assert [secret for secret in oauth.secrets if secret in said] == []
