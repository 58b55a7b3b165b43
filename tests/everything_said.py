"""All that a proxy says and leaves behind after traffic with keys in every place, watched in mitmweb and dumped."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from clients import messages_body, post_messages, trusting
from forking import ForkedProxy, run
from watched import PATIENCE_S, WATCH, Page, basic, page_of

from ringlet_mitm.cli.demo.stage import environment
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

# Of no vendor's shape, so that nothing but where they stand gives them away; the last ones are in what agents send.
KEYS = {
    "ANTHROPIC_API_KEY": "anthropic-words-of-ours-51c7",
    "GROQ_API_KEY": "groq-words-of-ours-08ee",
    "XAI_API_KEY": "xai.words.of.ours.77d0",
    "LOGIN": "agents:password-for-the-proxy-3d21",
}
OWN, IN_URL, REFRESH = "the-agents-own-words-9b1f", "words-in-an-address-4ac2", "words-of-a-login-e05d"
SECRETS = (*(text.rpartition(":")[2] for text in KEYS.values()), OWN, IN_URL, REFRESH)
SAID = "the whole conversation"
RULES = """
[[rule]]
match = { model-equals = "ask-groq" }
to = "groq"
model = "llama-3.3-70b-versatile"

[[rule]]
match = { model-equals = "ask-nobody" }
to = "xai"
model = "grok-4"

[[rule]]
match = { model-equals = "claude-opus-4-8" }
to = "anthropic"
"""
NOWHERE = "api.x.ai:443:127.0.0.1:1"
PAGES = ("/health", "/metrics", "/v1/models", "/", "/api/usage", "/api/analyses", "/api/live", "/nothing/here")
REST = ("/flows", "/flows/dump", "/events", "/options", "/state", "/commands", "/filter-help", "/")


@dataclass(frozen=True, slots=True)
class Everything:
    """By where it was found; `files` are those below the home, the dump among them.

    The token of mitmweb's page is a secret of its own: it is printed once, for the terminal.
    """

    said: dict[str, bytes] = field(repr=False)
    files: dict[str, bytes] = field(repr=False)
    secrets: tuple[str, ...] = ()


def everything(folder: Path, vendor: Vendor, capture: str = "bodies") -> Everything:
    """Some traffic of each kind through one proxy, then all that can be asked."""
    home = home_of({"RINGLET_HOME": str(folder)})
    save_profile(home, Profile(name="work", capture=capture, retries=0))  # type: ignore[arg-type]
    home.routing_file("work").write_text(RULES)
    dump = folder / "work.flows"
    options = ("--web", "--web-port", "0", "--dump", str(dump), "--proxyauth", "${LOGIN}", "--connect-to", NOWHERE)
    said: dict[str, bytes] = {}
    # The one that leads nowhere goes before the vendor's own.
    with ForkedProxy(folder, _Elsewhere(vendor), profile="work", keys=KEYS, options=options) as proxy:
        _talk(proxy)
        page = page_of(proxy)
        said |= dict(_pages(proxy.url)) | dict(_rest(page))
        for words in (("usage", "--json"), ("status", "--json"), ("rules", "check", "--profile", "work")):
            done = run(*words, environ=proxy.environ)
            said[" ".join(words)] = (done.stdout + done.stderr).encode()
        for table in ("requests", "attempts"):
            said[table] = proxy.run("usage", "--sql", f"SELECT * FROM {table}", "--json").encode()
    said["printed"] = "\n".join(line for line in proxy.said if not line.startswith(WATCH)).encode()
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return Everything(said, files, (*SECRETS, page.token))


def broken(folder: Path, name: str, text: str) -> str:
    """What is printed where a file of the person's is wrong, beside a key that is in it."""
    home = home_of({"RINGLET_HOME": str(folder)})
    save_profile(home, Profile(name="work"))
    home.routing_file("work").write_text("")
    path = {"profile.toml": home.profile_file("work"), "routing.toml": home.routing_file("work")}.get(name)
    path = path or home.config / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    done = run("serve", "--profile", "work", "--port", "0", environ=environment(folder, KEYS))
    assert done.returncode == 2, done
    return done.stdout + done.stderr


class _Elsewhere:
    """A vendor, but for one host that nobody answers at."""

    def __init__(self, vendor: Vendor) -> None:
        self.connect_to = [detour for detour in vendor.connect_to if not detour.startswith("api.x.ai:")]
        self.ca_file = vendor.ca_file


def _talk(proxy: ForkedProxy) -> None:
    login = httpx.URL(proxy.url).copy_with(username="agents", password=KEYS["LOGIN"].partition(":")[2])
    bearer = {"authorization": f"Bearer {OWN}", "x-api-key": OWN}
    with httpx.Client(proxy=login, verify=trusting(proxy), timeout=PATIENCE_S) as http:
        for model in ("claude-opus-4-8", "ask-groq", "ask-nobody", "as-it-is"):
            body = messages_body(SAID).replace(b"claude-opus-4-8", model.encode())
            post_messages(http, body, x_api_key=OWN, authorization=f"Bearer {OWN}")
        gemini = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent"
        http.post(f"{gemini}?key={IN_URL}", json={"contents": [{"parts": [{"text": SAID}]}]})
        http.post("https://api.anthropic.com/v1/oauth/token", json={"refresh_token": REFRESH}, headers=bearer)
        http.get("https://api.anthropic.com/api/account", headers={**bearer, "cookie": f"session={OWN}"})


def _pages(url: str) -> Iterator[tuple[str, bytes]]:
    with httpx.Client(trust_env=False, verify=False, timeout=PATIENCE_S) as http:
        for path in PAGES:
            answer = http.get(f"{url}{path}", headers={"proxy-authorization": basic(KEYS["LOGIN"])})
            yield f"page {path}", answer.content
        yield "page without login", http.get(f"{url}/health", headers={"proxy-authorization": OWN}).content


def _rest(page: Page) -> Iterator[tuple[str, bytes]]:
    bearer = f"Bearer {page.token}"
    flows = _settled(page)
    for path in REST:
        yield f"mitmweb {path}", page.ask(path, authorization=bearer).content
    for number, flow in enumerate(flow for flow in flows if flow["request"]["host"] != "127.0.0.1"):
        for part in ("request", "response"):
            for rest in ("content.data", "content/Auto.json", "content/Raw.json", "content/LLM-all.json"):
                answer = page.ask(f"/flows/{flow['id']}/{part}/{rest}", authorization=bearer)
                yield f"mitmweb flow {number} {part} {rest}", answer.content


def _settled(page: Page) -> list[dict[str, Any]]:
    """The list once nothing in it is under way."""
    end = time.monotonic() + PATIENCE_S
    while True:
        found = json.loads(page.ask("/flows", authorization=f"Bearer {page.token}").content)
        if not any("running" in flow["comment"] for flow in found):
            return list(found)
        assert time.monotonic() < end
