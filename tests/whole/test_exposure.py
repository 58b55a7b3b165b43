"""What can be reached through the proxy, who can reach it, and who can reach mitmweb: asked from outside, by bytes."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from clients import AGENT_KEY, KEYS, StartProxy, client, messages_body, post_messages, rows, trusting
from forking import ForkedProxy, run
from watched import UPGRADE, Page, basic, page_of, told

from ringlet_mitm.addons.credentials.proxy_login import read_login
from ringlet_mitm.cli.background import proxies
from ringlet_mitm.cli.demo.stage import RunningProxy, environment
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

LOGIN = "agents:a:pass word/of@the proxy"


@pytest.fixture(scope="module")
def proxy(shared_proxy: StartProxy) -> RunningProxy:
    """A proxy inside mitmweb, with a request in its list."""
    running = shared_proxy('[default]\nto = "anthropic"\n', options=("--web", "--web-port", "0"))
    with client(running) as http:
        assert post_messages(http, messages_body()).status_code == 200
    return running


@pytest.fixture(scope="module")
def page(proxy: RunningProxy) -> Page:
    return page_of(proxy)


SPELLINGS = ("127.0.0.1", "localhost", "LOCALHOST.", "127.1", "0x7f000001", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]")
FORMS = {
    "as a plain request": "GET http://{at}/flows?token={token} HTTP/1.1\nHost: {at}\n\n",
    "with another Host": "GET http://{at}/flows?token={token} HTTP/1.1\nHost: api.anthropic.com\n\n",
    "as an upgrade": f"GET http://{{at}}/updates?token={{token}} HTTP/1.1\nHost: {{at}}\n{UPGRADE}\n",
    "as a tunnel": "CONNECT {at} HTTP/1.1\nHost: {at}\n\n",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_mitmweb_is_not_reached_through_the_proxy(proxy: RunningProxy, page: Page, form: str) -> None:
    """Not even with its token."""
    answers = {host: told(proxy.port, form.format(at=f"{host}:{page.port}", token=page.token))[0] for host in SPELLINGS}
    assert answers == dict.fromkeys(SPELLINGS, 403)


@pytest.mark.parametrize("host", SPELLINGS)
def test_the_proxy_is_not_reached_through_itself(proxy: RunningProxy, host: str) -> None:
    assert told(proxy.port, FORMS["as a tunnel"].format(at=f"{host}:{proxy.port}"))[0] == 403


def test_inside_a_tunnel_another_host_is_not_reached(proxy: RunningProxy, page: Page) -> None:
    """The tunnel's host gets what a request line or a Host header inside it says of another one."""
    inside = f"GET http://127.0.0.1:{page.port}/flows?token={page.token} HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
    with socket.create_connection(("127.0.0.1", proxy.port), 20) as line:
        line.sendall(b"CONNECT api.anthropic.com:443 HTTP/1.1\r\nHost: api.anthropic.com:443\r\n\r\n")
        assert line.recv(4096).startswith(b"HTTP/1.1 200")
        with trusting(proxy).wrap_socket(line, server_hostname="api.anthropic.com") as secure:
            secure.sendall(f"{inside}Connection: close\r\n\r\n".encode())
            said = b""
            while more := secure.recv(65536):
                said += more
    assert b"timestamp_created" not in said
    assert said.endswith(b'{"object": "list", "data": [], "ok": true}'), "the vendor's own words"


def test_nor_with_another_authority_over_http_2(proxy: RunningProxy, page: Page) -> None:
    with client(proxy, http2=True) as http:
        said = http.get(
            f"https://api.anthropic.com/flows?token={page.token}", headers={"host": f"127.0.0.1:{page.port}"}
        )
    assert (said.http_version, said.json()) == ("HTTP/2", {"object": "list", "data": [], "ok": True})


def test_a_borrowed_server_name_is_not_decrypted(proxy: RunningProxy) -> None:
    """To a host that is not an agent's goes what was sent; nobody answers there, so the tunnel just ends."""
    context = ssl.create_default_context(cafile=str(proxy.ca_file))
    with socket.create_connection(("127.0.0.1", proxy.port), 20) as line:
        line.sendall(b"CONNECT host.invalid:443 HTTP/1.1\r\nHost: host.invalid:443\r\n\r\n")
        assert line.recv(4096).startswith(b"HTTP/1.1 200")
        with pytest.raises((ssl.SSLError, OSError)):
            context.wrap_socket(line, server_hostname="api.anthropic.com")


GATE: dict[str, tuple[str, str, dict[str, str], int]] = {
    "nothing": ("GET", "/", {}, 403),
    "no token for data": ("GET", "/flows", {}, 403),
    "no token for a file": ("GET", "/flows/dump", {}, 403),
    "no token for scripts": ("GET", "/static/vendor.js", {}, 403),
    "no token to change something": ("POST", "/clear", {}, 403),
    "no token for a WebSocket": ("GET", "/updates", {"upgrade": "websocket", "connection": "Upgrade"}, 403),
    "a wrong token": ("GET", "/flows?token=x", {}, 403),
    "an empty token": ("GET", "/flows?token=", {}, 403),
    "the token": ("GET", "/flows?token={token}", {}, 200),
    "the token as a header": ("GET", "/flows", {"authorization": "Bearer {token}"}, 200),
    "a wrong one as a header": ("GET", "/flows", {"authorization": "Bearer x"}, 403),
    "a made-up cookie": ("GET", "/flows", {"cookie": "ringlet-mitmweb-{port}={token}"}, 403),
    "the token for a rebound name": ("GET", "/flows?token={token}", {"host": "evil.example:{port}"}, 403),
    "no host": ("GET", "/flows?token={token}", {"host": ""}, 403),
    "by name": ("GET", "/flows?token={token}", {"host": "localhost:{port}"}, 200),
    "through a forwarded port": ("GET", "/flows?token={token}", {"host": "localhost:9999"}, 200),
    "from another page": ("GET", "/flows?token={token}", {"origin": "http://evil.example"}, 403),
    "from a page of another port": ("GET", "/flows?token={token}", {"origin": "http://127.0.0.1:1"}, 403),
    "from a page without a name": ("GET", "/flows?token={token}", {"origin": "null"}, 403),
    "from its own page": ("GET", "/flows?token={token}", {"origin": "http://127.0.0.1:{port}"}, 200),
    "by another page's script": ("GET", "/flows?token={token}", {"sec-fetch-site": "same-site"}, 403),
    "as a link": ("GET", "/?token={token}", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 303),
}


@pytest.mark.parametrize(("method", "path", "headers", "status"), GATE.values(), ids=GATE)
def test_who_may_see_mitmweb(page: Page, method: str, path: str, headers: dict[str, str], status: int) -> None:
    said = {name: value.format(token=page.token, port=page.port) for name, value in headers.items()}
    assert page.ask(path.format(token=page.token), method, **said).status_code == status


def test_the_token_is_exchanged_for_a_cookie(page: Page) -> None:
    given = page.ask(f"/?token={page.token}")
    assert (given.status_code, given.headers["location"]) == (303, "/")
    cookie = given.headers["set-cookie"]
    assert cookie.startswith(f"ringlet-mitmweb-{page.port}=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert page.token not in cookie
    own = cookie.partition(";")[0]
    assert page.ask("/", cookie=own).status_code == 200
    assert page.ask("/flows", cookie=own).json()
    upgrade = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13"}
    head = "".join(f"{name}: {value}\n" for name, value in upgrade.items()) + "Sec-WebSocket-Key: eA==\n"
    asked = f"GET /updates HTTP/1.1\nHost: 127.0.0.1:{page.port}\n{head}"
    assert told(page.port, f"{asked}Cookie: {own}\n\n")[0] == 101
    assert told(page.port, f"{asked}Cookie: {own}\nOrigin: http://evil.example\n\n")[0] == 403


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, vendor: Vendor) -> Iterator[RunningProxy]:
    """A proxy that asks for a login."""
    folder = tmp_path_factory.mktemp("locked")
    home = home_of({"RINGLET_HOME": str(folder)})
    save_profile(home, Profile(name="work", proxyauth="LOGIN"))
    home.routing_file("work").write_text('[default]\nto = "anthropic"\n')
    with ForkedProxy(folder, vendor, profile="work", keys={**KEYS, "LOGIN": LOGIN}) as running:
        yield running


ASKED = {
    "a tunnel": "CONNECT api.anthropic.com:443 HTTP/1.1\nHost: api.anthropic.com:443\n",
    "a tunnel elsewhere": "CONNECT host.invalid:443 HTTP/1.1\nHost: host.invalid:443\n",
    "a plain request": "GET http://host.invalid/ HTTP/1.1\nHost: host.invalid\n",
    "a model call": "POST /v1/messages HTTP/1.1\nHost: 127.0.0.1:{port}\nContent-Length: 2\n",
    "a WebSocket": f"GET http://api.openai.com/v1/responses HTTP/1.1\nHost: api.openai.com\n{UPGRADE}",
    "/health": "GET /health HTTP/1.1\nHost: 127.0.0.1:{port}\n",
    "/metrics": "GET /metrics HTTP/1.1\nHost: 127.0.0.1:{port}\n",
    "the dashboard": "GET / HTTP/1.1\nHost: 127.0.0.1:{port}\n",
    "models": "GET /v1/models HTTP/1.1\nHost: 127.0.0.1:{port}\n",
    "mitmproxy's own page": "GET http://mitm.it/ HTTP/1.1\nHost: mitm.it\n",
    "loopback": "GET http://127.0.0.1:9/ HTTP/1.1\nHost: 127.0.0.1:9\n",
}
WRONG = {
    "nothing": "",
    "another password": f"Proxy-Authorization: {basic('agents:guess')}\n",
    "half of it": f"Proxy-Authorization: {basic(LOGIN[:-1])}\n",
    "another scheme": f"Proxy-Authorization: {basic(LOGIN).replace('Basic', 'Bearer')}\n",
    "no base64": "Proxy-Authorization: Basic ***\n",
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_nobody_gets_in_without_the_login(locked: RunningProxy, asked: str) -> None:
    for said in WRONG.values():
        body = "{}" if "Content-Length" in asked else ""
        status, text = told(locked.port, f"{asked.format(port=locked.port)}{said}\n{body}")
        assert (status, 'proxy-authenticate: Basic realm="ringlet-mitm"' in text) == (407, True), said


def test_a_browser_is_asked_for_it_at_the_dashboard(locked: RunningProxy) -> None:
    asked = f"{ASKED['the dashboard'].format(port=locked.port)}Sec-Fetch-Mode: navigate\n"
    assert told(locked.port, f"{asked}\n")[0] == 401
    assert told(locked.port, f"{asked}Authorization: {basic(LOGIN)}\n\n")[0] == 200


@pytest.mark.parametrize("asked", ["/health", "/metrics", "the dashboard", "models"])
@pytest.mark.parametrize("header", ["Proxy-Authorization", "Authorization"])
def test_with_the_login_the_proxy_answers(locked: RunningProxy, asked: str, header: str) -> None:
    assert told(locked.port, f"{ASKED[asked].format(port=locked.port)}{header}: {basic(LOGIN)}\n\n")[0] == 200


def test_an_agent_with_the_login_works_and_nobody_else_hears_of_it(locked: RunningProxy, vendor: Vendor) -> None:
    url = read_login(LOGIN, {}).within(locked.url)
    with httpx.Client(proxy=url, verify=trusting(locked), timeout=30) as http:
        assert post_messages(http, messages_body()).status_code == 200
    arrived = "\n".join(f"{name}: {value}" for name, value in vendor.seen[-1].headers.get_all())
    with httpx.Client(trust_env=False, timeout=30) as direct:
        headers = {"proxy-authorization": basic(LOGIN), "x-api-key": AGENT_KEY}
        asked = direct.post(f"{locked.url}/v1/messages", content=messages_body(), headers=headers)
    assert asked.status_code == 200
    arrived += "\n".join(f"{name}: {value}" for name, value in vendor.seen[-1].headers.get_all())
    assert len(rows(locked)) == 2
    left = b"".join(path.read_bytes() for path in locked.home.rglob("*") if path.is_file())
    said = "\n".join(locked.said)
    for secret in (LOGIN, LOGIN.partition(":")[2], basic(LOGIN).removeprefix("Basic ")):
        assert secret not in arrived
        assert secret not in said
        assert secret.encode() not in left
    assert "proxy-authorization" not in arrived.lower()


def test_our_own_commands_know_the_login(locked: RunningProxy) -> None:
    port = str(locked.port)
    (status,) = json.loads(locked.run("status", "--profile", "work", "--port", port, "--json"))
    assert (status["running"], status["pid"]) == (True, locked.pid)
    exported = locked.run("env", "--profile", "work", "--port", port, "--shell", "bash")
    assert f"HTTPS_PROXY={read_login(LOGIN, {}).within(locked.url)}" in exported


def test_it_is_found_in_the_background_with_the_login_or_without(
    locked: RunningProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_of({"RINGLET_HOME": str(locked.home)})
    found = []
    for value in ("", LOGIN):
        monkeypatch.setenv("LOGIN", value)
        found += proxies(home, "work")
    assert [(one.pid, bool(one.login)) for one in found] == [(locked.pid, False), (locked.pid, True)]
    assert LOGIN.partition(":")[2] not in repr(found)


def test_without_it_they_say_what_is_missing(locked: RunningProxy) -> None:
    environ = {name: value for name, value in locked.environ.items() if name != "LOGIN"}
    found = run("status", "--profile", "work", "--port", str(locked.port), environ=environ)
    assert "asks for a login" in found.stdout
    assert "set $LOGIN in this shell" in found.stdout
    for words in (("env", "--profile", "work"), ("serve", "--profile", "work", "--port", "0")):
        done = run(*words, environ=environ)
        assert (done.returncode, "$LOGIN is not set" in done.stderr) == (2, True)


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "no login": (("--host", "0.0.0.0"), "whoever reaches the proxy spends your keys"),
    "a login without a password": (("--proxyauth", "hidden-word"), "--proxyauth has to be USER:PASSWORD"),
    "a variable that is not set": (("--proxyauth", "${NOT_SET}"), "$NOT_SET is not set"),
    "a variable with something else": (("--proxyauth", "${ODD}"), "$ODD has to be USER:PASSWORD"),
    "a file that cannot be written": (("--dump", "/nowhere/at/all.flows"), "--dump: cannot be written"),
}


@pytest.mark.parametrize(("options", "said"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_start_says_why(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    environ = environment(tmp_path, {"ODD": "hidden-word"})
    done = run("serve", "--profile", "work", "--port", "0", *options, environ=environ)
    assert (done.returncode, said in done.stderr) == (2, True)
    assert "hidden-word" not in done.stdout + done.stderr
