"""`providers login` and `logout` as a person runs them, and a proxy that sends with what they stored.

Everything is real but the vendors: processes, terminals, TLS under the vendors' names, the store on disk.
"""

from __future__ import annotations

import os
import pty
import re
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from clients import StartProxy, client
from oauth_vendor import ACCOUNT, OAuthVendor

from ringlet_mitm.addons.credentials.store import LoginStore
from ringlet_mitm.cli.demo.replies import STYLES
from ringlet_mitm.cli.demo.script import answer
from ringlet_mitm.cli.demo.stage import RunningProxy, environment, program
from ringlet_mitm.cli.demo.upstream import Refusal, Spoken, Vendor
from ringlet_mitm.rules.home import home_of

FILES = {"RINGLET_KEYRING": "0"}
KEY = "gsk_of-the-person-5e1f0a7c9b3d2468"
# What the shell of a person who works through us says; a login that obeyed would ask the proxy that it is for.
OUR_SHELL = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "SSL_CERT_FILE": "/nowhere"}
SIGN_INS = {
    "copilot": ("https://github.com/login/device", "WDJB-MJHT"),
    "openai-codex": ("https://auth.openai.com/codex/device", "ABCD-12345"),
    "minimax-oauth": ("https://platform.minimax.io/oauth-authorize?user_code=MMX-4711", "MMX-4711"),
}


REVOKED = {
    "copilot": "https://github.com/settings/apps/authorizations",
    "openai-codex": "has revoked it",
    "minimax-oauth": "no way to revoke",
}


@pytest.fixture
def oauth() -> Iterator[OAuthVendor]:
    with OAuthVendor() as running:
        running.patient = True
        yield running


def call(home: Path, *words: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    environ = environment(home, {**FILES, **variables})
    return subprocess.run(program("providers", *words), env=environ, input=stdin, text=True, capture_output=True)


def store_in(home: Path) -> LoginStore:
    return LoginStore(home_of({"RINGLET_HOME": str(home)}))


def everything_said(home: Path, *done: subprocess.CompletedProcess[str]) -> str:
    """All output, and all files but the logins themselves."""
    files = (path for path in home.rglob("*") if path.is_file() and path.parent.name != "logins")
    return "".join(text for run in done for text in (run.stdout, run.stderr)) + "".join(
        path.read_bytes().decode("latin-1") for path in files
    )


@pytest.mark.parametrize("provider", SIGN_INS)
def test_from_sign_in_to_logout(provider: str, oauth: OAuthVendor, tmp_path: Path) -> None:
    oauth.script.extend(["pending"] if provider == "copilot" else [])
    done = call(tmp_path, "login", provider.upper(), *oauth.options, **OUR_SHELL)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert tuple(lines[1:3]) == SIGN_INS[provider]
    assert re.fullmatch(r"waiting until \d\d:\d\d; Ctrl-C gives up", lines[3])
    login = store_in(tmp_path).load(provider)
    assert login is not None
    assert (login.kind, login.spent(time.time())) == ("oauth", False)
    file = tmp_path / "logins" / f"{provider}.json"
    assert lines[4].endswith(f"; stored in {file}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    gone = call(tmp_path, "logout", provider, *oauth.options)
    assert (gone.returncode, gone.stderr) == (0, "")
    assert gone.stdout.splitlines()[0] == f"deleted the sign-in of '{provider}'"
    assert REVOKED[provider] in gone.stdout
    assert store_in(tmp_path).provider_ids() == ()
    said = everything_said(tmp_path, done, gone)
    assert [secret for secret in oauth.secrets if secret in said] == []


def test_a_sign_in_that_fails_is_one_line_and_stores_nothing(oauth: OAuthVendor, tmp_path: Path) -> None:
    oauth.script.append("denied")
    done = call(tmp_path, "login", "minimax-portal-cn", *oauth.options)
    assert done.returncode == 2
    assert done.stderr == "ringlet-mitm: account.minimaxi.com refused the sign-in: It is denied.\n"
    assert store_in(tmp_path).provider_ids() == ()


def test_ctrl_c_leaves_what_was_there(oauth: OAuthVendor, tmp_path: Path) -> None:
    before = oauth.login("copilot")
    store_in(tmp_path).save("copilot", before)
    oauth.script.extend(["pending"] * 100)
    words = program("providers", "login", "copilot", *oauth.options)
    pipe = subprocess.PIPE
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a job in the background ignores it, and so would its child
    with subprocess.Popen(words, env=environment(tmp_path, FILES), stdout=pipe, stderr=pipe, text=True) as running:
        assert running.stdout is not None and running.stderr is not None
        while "waiting" not in running.stdout.readline():
            pass
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
    assert (running.returncode, said.strip()) == (130, "given up; nothing is stored")
    assert store_in(tmp_path).load("copilot") == before


def test_a_key_from_standard_input(tmp_path: Path) -> None:
    done = call(tmp_path, "login", "groq", "--stdin", stdin=f"  {KEY}\n")
    assert (done.returncode, done.stderr) == (0, "")
    login = store_in(tmp_path).load("groq")
    assert login is not None
    assert (login.kind, login.secret.reveal(), login.refresh) == ("key", KEY, None)
    assert KEY not in everything_said(tmp_path, done)


def test_a_key_typed_at_a_terminal_is_not_echoed(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    words = program("providers", "login", "groq", "--no-browser")
    with subprocess.Popen(
        words, env=environment(tmp_path, FILES), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as running:
        os.close(theirs)
        said = b""
        while b"not shown" not in said:
            said += os.read(ours, 4096)
        os.write(ours, f"{KEY}\n".encode())
        try:
            while piece := os.read(ours, 4096):
                said += piece
        except OSError:
            pass  # how Linux says that the other end has closed
    os.close(ours)
    assert running.returncode == 0
    assert KEY.encode() not in said
    assert b"stored the key of 'groq'" in said
    login = store_in(tmp_path).load("groq")
    assert login is not None
    assert login.secret.reveal() == KEY


def test_logout_deletes_here_also_where_the_vendor_is_away(oauth: OAuthVendor, tmp_path: Path) -> None:
    store_in(tmp_path).save("openai-codex", oauth.login("openai-codex"))
    oauth.down = True
    done = call(tmp_path, "logout", "openai-codex", *oauth.options)
    assert done.returncode == 0
    assert "did not revoke it: Service Unavailable" in done.stderr
    assert store_in(tmp_path).provider_ids() == ()
    again = call(tmp_path, "logout", "openai-codex")
    assert (again.returncode, again.stdout) == (0, "nothing is stored for 'openai-codex'\n")


# A proxy that sends with a stored login.

RULES = "".join(
    f"""
[[rule]]
match = {{ model-equals = "to-{provider}" }}
to = "{provider}"
model = "{model}"
"""
    for provider, model in (("copilot", "gpt-5"), ("openai-codex", "gpt-5.5"), ("minimax-oauth", "MiniMax-M3"))
)
SENT = {
    "copilot": ("api.individual.githubcopilot.com", {"editor-version", "copilot-integration-id"}),
    "openai-codex": ("chatgpt.com", {"originator", "chatgpt-account-id"}),
    "minimax-oauth": ("api.minimax.io", set[str]()),
}
SERVED = ("api.githubcopilot.com", "api.individual.githubcopilot.com", "chatgpt.com", "api.minimax.io")


@pytest.fixture(scope="module")
def shared_oauth() -> Iterator[OAuthVendor]:
    with OAuthVendor() as running:
        yield running


@pytest.fixture(scope="module")
def models() -> Iterator[Vendor]:
    with Vendor(hosts=(*SERVED, "api.openai.com")) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(
    shared_oauth: OAuthVendor, models: Vendor, shared_proxy: StartProxy, tmp_path_factory: pytest.TempPathFactory
) -> RunningProxy:
    """Sign-ins and models are two servers with an authority each, and the proxy trusts one file."""
    bundle = tmp_path_factory.mktemp("authorities") / "both.pem"
    bundle.write_bytes(shared_oauth.ca_file.read_bytes() + models.ca_file.read_bytes())
    options = [*shared_oauth.options, "--upstream-ca", str(bundle)]
    return shared_proxy(RULES, keys=FILES, vendor=models, options=options)


def ask(proxy: RunningProxy, provider: str) -> httpx.Response:
    body = {"model": f"to-{provider}", "input": "hello", "stream": True}
    headers = {"authorization": "Bearer sk-of-the-agent", "openai-organization": "org-of-the-agent"}
    with client(proxy) as http:
        return http.post("https://api.openai.com/v1/responses", json=body, headers=headers)


def assert_no_secret(oauth: OAuthVendor, proxy: RunningProxy) -> None:
    text = everything_said(proxy.home) + "\n".join(proxy.said)
    assert [secret for secret in oauth.secrets if secret in text] == []


def test_without_a_login_the_agent_reads_what_to_type(proxy: RunningProxy) -> None:
    answer = ask(proxy, "openai-codex")
    assert answer.status_code == 401
    assert "run: ringlet-mitm providers login openai-codex" in answer.json()["error"]["message"]


@pytest.mark.parametrize("provider", SENT)
def test_a_proxy_sends_with_the_stored_login(
    provider: str, shared_oauth: OAuthVendor, models: Vendor, proxy: RunningProxy
) -> None:
    login, before = shared_oauth.login(provider), len(shared_oauth.seen)
    store_in(proxy.home).save(provider, login)
    answer = ask(proxy, provider)
    assert answer.status_code == 200, answer.text
    seen, (host, headers) = models.seen[-1], SENT[provider]
    assert (seen.host, seen.headers["authorization"]) == (host, f"Bearer {login.secret.reveal()}")
    names = {name.lower() for name in seen.headers}
    assert headers <= names
    assert "openai-organization" not in names
    assert seen.headers.get("chatgpt-account-id") == (ACCOUNT if provider == "openai-codex" else None)
    assert len(shared_oauth.seen) == before
    assert_no_secret(shared_oauth, proxy)


@pytest.mark.parametrize("provider", SENT)
def test_a_proxy_renews_a_spent_token_once_and_stores_it(
    provider: str, shared_oauth: OAuthVendor, models: Vendor, proxy: RunningProxy
) -> None:
    spent, before = replace(shared_oauth.login(provider), expires_at=1.0), len(shared_oauth.seen)
    store_in(proxy.home).save(provider, spent)
    assert [ask(proxy, provider).status_code for _ in range(3)] == [200, 200, 200]
    assert len(shared_oauth.seen) == before + 1
    renewed = store_in(proxy.home).load(provider)
    assert renewed is not None
    assert renewed.secret != spent.secret
    seen = models.seen[-1]
    assert (seen.host, seen.headers["authorization"]) == (SENT[provider][0], f"Bearer {renewed.secret.reveal()}")
    assert_no_secret(shared_oauth, proxy)


def test_a_token_that_is_refused_before_its_time_is_renewed_while_the_agent_waits(
    shared_oauth: OAuthVendor, models: Vendor, proxy: RunningProxy
) -> None:
    login = shared_oauth.login("openai-codex")
    store_in(proxy.home).save("openai-codex", login)

    def refusing(style: str, seen: Any, body: Any, stream: bool) -> Any:
        if seen.headers["authorization"] == f"Bearer {login.secret.reveal()}":
            raise Refusal(401, "authentication_error", "your token has been invalidated")
        said = answer(seen.host, body["model"], body, seen.body)
        return Spoken(STYLES[style].stream(said, body), "text/event-stream")

    models.model = refusing
    try:
        assert ask(proxy, "openai-codex").status_code == 200
    finally:
        models.model = None
    renewed = store_in(proxy.home).load("openai-codex")
    assert renewed is not None and renewed.secret != login.secret
    assert_no_secret(shared_oauth, proxy)


def test_after_a_login_has_ended_a_new_one_works_without_a_restart(
    shared_oauth: OAuthVendor, proxy: RunningProxy
) -> None:
    store_in(proxy.home).save("openai-codex", replace(shared_oauth.login("openai-codex"), expires_at=1.0))
    shared_oauth.revoked = True
    answer = ask(proxy, "openai-codex")
    assert answer.status_code == 401
    assert "has ended (it was revoked" in answer.json()["error"]["message"]
    assert "run: ringlet-mitm providers login openai-codex" in answer.json()["error"]["message"]
    shared_oauth.revoked = False
    assert call(proxy.home, "login", "openai-codex", *shared_oauth.options).returncode == 0
    assert ask(proxy, "openai-codex").status_code == 200
    assert_no_secret(shared_oauth, proxy)
