from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from children import child
from oauth_vendor import SPECS, OAuthVendor

from ringlet_mitm.addons.credentials.login import Login
from ringlet_mitm.addons.credentials.logins.asking import Answer, Ask
from ringlet_mitm.addons.credentials.logins.codex import CODEX
from ringlet_mitm.addons.credentials.logins.copilot import COPILOT
from ringlet_mitm.addons.credentials.logins.exchanges import (
    EXCHANGES,
    REFUSED_S,
    SILENT_S,
    Refresher,
    exchanges,
)
from ringlet_mitm.addons.credentials.logins.flows import BY_SCHEME, FLOWS
from ringlet_mitm.addons.credentials.logins.vendor_client import VendorClient
from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.addons.credentials.store import LoginStore
from ringlet_mitm.rules.errors import NoKey, RouteError
from ringlet_mitm.rules.home import home_of

SPEC = SPECS["openai-codex"]
NOW = time.time()


def stored(refresh: str, expires_at: float | None = NOW) -> Login:
    extra = {"provider": "openai-codex", "client_id": SPEC.client_id, "token_url": SPEC.urls["token"]}
    return Login("oauth", Secret("old", "login:openai-codex"), Secret(refresh), expires_at, extra)


def test_every_scheme_has_its_flow_and_every_flow_a_scheme() -> None:
    assert EXCHANGES.keys() == BY_SCHEME.keys() == {"copilot", "chatgpt", "minimax-oauth"}
    assert [id(flow) for flow in BY_SCHEME.values()] == [id(flow) for flow in FLOWS.values()]
    assert {spec.flow for spec in SPECS.values()} == FLOWS.keys()


@pytest.mark.parametrize("expires_at", [None, NOW + 3600], ids=["never ends", "in an hour"])
def test_a_token_that_lasts_is_the_same_login(oauth: OAuthVendor, client: VendorClient, expires_at: float) -> None:
    login = stored("unused", expires_at)
    assert exchanges(client)["chatgpt"].fresh(login, NOW) is login
    assert oauth.seen == []


def test_a_token_about_to_end_is_renewed(oauth: OAuthVendor, client: VendorClient) -> None:
    login = stored(oauth.new_refresh_token(), NOW + 60)
    fresh = exchanges(client)["chatgpt"].fresh(login, NOW)
    assert fresh.secret != login.secret
    assert not fresh.spent(NOW)
    assert fresh.secret.label == "login:openai-codex"


def test_a_login_that_has_ended_says_what_to_type_and_is_not_asked_with_again(
    oauth: OAuthVendor, client: VendorClient
) -> None:
    login, refresher = stored(oauth.new_refresh_token()), Refresher(CODEX, client)
    oauth.revoked = True
    for later_s in (0, 1, REFUSED_S - 1):
        with pytest.raises(NoKey, match=r"your login at openai-codex has ended \(it was revoked") as caught:
            refresher.fresh(login, NOW + later_s)
        assert str(caught.value).endswith("run: ringlet-mitm providers login openai-codex")
    assert len(oauth.seen) == 1
    oauth.revoked = False
    assert refresher.fresh(login, NOW + REFUSED_S).secret != login.secret


def test_a_new_sign_in_is_not_held_up_by_the_one_that_ended(oauth: OAuthVendor, client: VendorClient) -> None:
    refresher = Refresher(CODEX, client)
    with pytest.raises(NoKey):
        refresher.fresh(stored("gone"), NOW)
    assert refresher.fresh(stored(oauth.new_refresh_token()), NOW).secret.reveal() in oauth.secrets


def test_a_subscription_that_is_missing_is_not_mended_by_a_sign_in(oauth: OAuthVendor, client: VendorClient) -> None:
    oauth.refusal = "subscription_ended"
    extra = {"provider": "copilot", "exchange_url": SPECS["copilot"].urls["exchange"]}
    login = Login("oauth", Secret("old"), Secret(oauth.new_github_token()), 0.0, extra)
    with pytest.raises(NoKey, match="your login at copilot is refused: the Copilot subscription") as caught:
        Refresher(COPILOT, client).fresh(login, NOW)
    assert "providers login" not in str(caught.value)


def test_a_silent_vendor_costs_one_wait_and_the_old_token_is_used_to_its_end(
    oauth: OAuthVendor, client: VendorClient
) -> None:
    oauth.down = True
    login, refresher = stored(oauth.new_refresh_token(), NOW + 60), Refresher(CODEX, client)
    assert refresher.fresh(login, NOW) is login
    assert refresher.fresh(login, NOW + SILENT_S - 1) is login
    assert len(oauth.seen) == 1
    with pytest.raises(RouteError, match=r"cannot be renewed now: auth\.openai\.com: Service Unavailable") as caught:
        refresher.fresh(login, NOW + 60)
    assert not isinstance(caught.value, NoKey)
    oauth.down = False
    assert refresher.fresh(login, NOW + 60 + SILENT_S) is not login


def test_a_refresh_token_goes_back_to_who_gave_it(client: VendorClient) -> None:
    asked: list[str] = []

    class Remembers:
        """Refuses everything."""

        def ask(self, ask: Ask) -> Answer:
            asked.append(ask.url)
            return Answer(401, {})

    login = stored("rt")
    for scheme, url in (("chatgpt", "token_url"), ("minimax-oauth", "token_url"), ("copilot", "exchange_url")):
        with pytest.raises(NoKey):
            exchanges(Remembers())[scheme].fresh(replace(login, extra={**login.extra, url: f"https://{scheme}/x"}), NOW)
    assert asked == ["https://chatgpt/x", "https://minimax-oauth/x", "https://copilot/x"]


RACER = """
import asyncio, hashlib
from ringlet_mitm.addons.connect_to import Detour
from ringlet_mitm.addons.credentials.logins.exchanges import exchanges
from ringlet_mitm.addons.credentials.logins.vendor_client import VendorClient
from ringlet_mitm.addons.credentials.signing import Signer
from ringlet_mitm.addons.credentials.store import LoginStore
from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.targets import Target

port, ca_file = int(sys.argv[2]), Path(sys.argv[3])
providers = registry({"plan.toml": (folder / "plan.toml").read_text()})
spec = providers.require("plan")
client = VendorClient((Detour("auth.openai.com", 443, "127.0.0.1", port),), ca_file)
vault = Vault({}, LoginStore(home_of({"RINGLET_HOME": str(folder)})))
signer = Signer(vault, lambda: providers, exchanges=exchanges(client))
endpoint = spec.endpoints[spec.formats[0]]
target = Target("plan", "gpt-5", spec.formats[0], endpoint, "chatgpt", spec.key_ref)
outbound = Outbound("POST", endpoint.scheme, endpoint.host, endpoint.port, endpoint.path, (), b"{}")

async def one():
    signed, label = await signer.signed(outbound, target, await signer.key(target))
    return dict(signed.headers)[b"authorization"]

async def many():
    return set(await asyncio.gather(*(one() for _ in range(10))))

say("ready")
sys.stdin.readline()
found = asyncio.run(many())
say(*(hashlib.sha256(value).hexdigest() for value in found))
"""
PLAN = """
name = "plan"
shape = "openai"
endpoint = "https://chatgpt.com/backend-api/codex"
auth = "chatgpt"
"""


def test_two_proxies_that_want_the_same_token_renew_it_once(oauth: OAuthVendor, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    store = LoginStore(home_of({"RINGLET_HOME": str(tmp_path)}))
    before = stored(oauth.new_refresh_token())
    store.save("plan", before)
    oauth.slow_s = 0.3
    words = (str(oauth.port), str(oauth.ca_file))
    with child(RACER, tmp_path, *words) as one, child(RACER, tmp_path, *words) as other:
        assert (one.line(), other.line()) == ("ready", "ready")
        one.go()
        other.go()
        said = {*one.rest(), *other.rest()}
    assert len(oauth.asked("/oauth/token")) == 1
    assert len(said) == 1
    after = LoginStore(home_of({"RINGLET_HOME": str(tmp_path)})).load("plan")
    assert after is not None
    assert after.refresh not in (None, before.refresh)
    assert not after.spent(time.time())
