from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from oauth_vendor import OAuthVendor

from ringlet_mitm.addons.connect_to import parse_detour
from ringlet_mitm.addons.credentials.logins.asking import Ask, VendorTrouble
from ringlet_mitm.addons.credentials.logins.vendor_client import BODY_LIMIT, VendorClient
from ringlet_mitm.cli.demo.certificates import server_context

CODE = Ask("https://github.com/login/device/code", form={"client_id": "x", "scope": "read:user"})


def test_a_detour_keeps_the_name_in_host_and_certificate(oauth: OAuthVendor, client: VendorClient) -> None:
    answer = client.ask(CODE)
    seen = oauth.seen[-1]
    assert (answer.status, answer.host, seen.host, seen.body["client_id"]) == (200, "github.com", "github.com", "x")
    assert client.ask(Ask("https://auth.openai.com/oauth/token", json={})).status == 400
    assert oauth.seen[-1].host == "auth.openai.com"


def test_json_is_asked_for(oauth: OAuthVendor, client: VendorClient) -> None:
    assert client.ask(CODE).body["user_code"] == "WDJB-MJHT"
    assert oauth.seen[-1].headers["accept"] == "application/json"


def test_the_shells_proxy_and_bundle_do_not_count(
    oauth: OAuthVendor, client: VendorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    assert client.ask(CODE).status == 200


def test_an_unknown_authority_is_refused(oauth: OAuthVendor) -> None:
    stranger = VendorClient(tuple(parse_detour(text) for text in oauth.connect_to))
    with pytest.raises(
        VendorTrouble, match=r"github.com cannot be reached: .*CERTIFICATE_VERIFY_FAILED.*--upstream-ca FILE"
    ):
        stranger.ask(CODE)
    assert oauth.seen == []


def test_another_hosts_certificate_is_refused(oauth: OAuthVendor) -> None:
    detour = parse_detour(f"login.example.org:443:127.0.0.1:{oauth.port}")
    with pytest.raises(VendorTrouble, match=r"login\.example\.org cannot be reached"):
        VendorClient((detour,), oauth.ca_file).ask(Ask("https://login.example.org/x"))


def test_nothing_goes_out_unencrypted() -> None:
    with pytest.raises(VendorTrouble, match="unencrypted"):
        VendorClient().ask(Ask("http://github.com/login/device/code"))


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        detour = parse_detour(f":443:127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(VendorTrouble, match=r"github\.com cannot be reached"):
            VendorClient((detour,)).ask(CODE)


@pytest.mark.parametrize(
    ("said", "match"),
    [
        (b"HTTP/1.1 302 Found\r\nlocation: https://evil.example/\r\ncontent-length: 0\r\n\r\n", "not followed"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (BODY_LIMIT + 1), "more than 256 KB"),
        (b"", "cannot be reached"),
    ],
    ids=["a redirect is not followed", "a flood is cut", "a line that drops is trouble"],
)
def test_odd_servers(said: bytes, match: str, tmp_path: Path) -> None:
    context, ca_file = server_context(tmp_path, ["github.com"])
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            plain, _ = listening.accept()
            try:
                with context.wrap_socket(plain, server_side=True) as line:
                    asked = b""
                    while b"client_id=x" not in asked:  # what is left unread would reset the connection
                        asked += line.recv(65536)
                    line.sendall(said)
            except OSError:
                return  # the client left in the middle of the flood

        thread = threading.Thread(target=serve)
        thread.start()
        detour = parse_detour(f"github.com:443:127.0.0.1:{listening.getsockname()[1]}")
        with pytest.raises(VendorTrouble, match=match):
            VendorClient((detour,), ca_file).ask(CODE)
        thread.join(10)
