"""Application Default Credentials against a token endpoint that checks what Google's does."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ringlet_mitm.addons.credentials.google import GoogleSigner
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.rules.errors import NoKey

OUTBOUND = Outbound(
    *("POST", "https", "us-east5-aiplatform.googleapis.com", 443, "/v1/x"),
    ((b"content-type", b"application/json"), (b"Authorization", b"Bearer of-the-agent")),
    b"{}",
)
ACCOUNT = "ringlet@project.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@dataclass
class TokenEndpoint:
    """Gives tokens by signed assertion (RFC 7523), by refresh token, and as the metadata server does."""

    public: rsa.RSAPublicKey
    url: str = ""
    given: list[str] = field(default_factory=list)
    lasts_s: int = 3600
    says: str = ""

    def answer(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        refusal = self.says or self._refusal(form)
        if refusal:
            return 400, {"error": refusal, "error_description": "Bad Request"}
        self.given.append(form["grant_type"])
        return 200, {"access_token": f"ya29.{len(self.given)}", "expires_in": self.lasts_s, "token_type": "Bearer"}

    def _refusal(self, form: dict[str, str]) -> str:
        if form["grant_type"] == "refresh_token":
            wanted = {"refresh_token": "1//refresh", "client_id": "client", "client_secret": "not-so-secret"}
            return "" if wanted.items() <= form.items() else "invalid_grant"
        head, claims, signature = form["assertion"].split(".")
        try:
            self.public.verify(_plain(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return "invalid_grant"
        said = json.loads(_plain(claims))
        audience = "https://oauth2.googleapis.com/token"  # wherever it is sent
        lasts = said["exp"] - said["iat"] == 3600 and abs(said["iat"] - time.time()) < 60
        return (
            "" if (said["iss"], said["aud"], said["scope"]) == (ACCOUNT, audience, SCOPE) and lasts else "invalid_scope"
        )


def _plain(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture(scope="module")
def private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def endpoint(private: rsa.RSAPrivateKey) -> Iterator[TokenEndpoint]:
    state = TokenEndpoint(private.public_key())

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["content-length"])).decode()
            self._say(*state.answer({name: values[0] for name, values in parse_qs(text).items()}))

        def do_GET(self) -> None:
            if self.headers.get("metadata-flavor") != "Google":
                self._say(403, {})
            elif "/token" in self.path:
                self._say(*state.answer({"grant_type": "metadata", "assertion": ".."} if state.says else _refresh()))
            else:
                self._say(200, {"email": ACCOUNT, "aliases": ["default"], "scopes": [SCOPE]})

        def _say(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"content-type": "application/json", "metadata-flavor": "Google"}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}/token"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield state
        server.shutdown()


def _refresh() -> dict[str, str]:
    return {
        "grant_type": "refresh_token",
        "refresh_token": "1//refresh",
        "client_id": "client",
        "client_secret": "not-so-secret",
    }


@pytest.fixture
def credentials_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`credentials_file(...)` writes what GOOGLE_APPLICATION_CREDENTIALS then names."""
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")  # nobody is there: what goes by it fails

    def write(**keys: str) -> None:
        path = tmp_path / "adc.json"
        path.write_text(json.dumps(keys))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))

    return write


def service_account(private: rsa.RSAPrivateKey, url: str) -> dict[str, str]:
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "1",
        "client_id": "1",
        "client_email": ACCOUNT,
        "private_key": pem.decode(),
        "token_uri": url,
    }


def test_a_service_account_signs_for_its_token(
    endpoint: TokenEndpoint, private: rsa.RSAPrivateKey, credentials_file: Any
) -> None:
    credentials_file(**service_account(private, endpoint.url))
    ready, label = asyncio.run(GoogleSigner().signed(OUTBOUND))
    assert endpoint.given == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    assert ready.headers == ((b"content-type", b"application/json"), (b"authorization", b"Bearer ya29.1"))
    assert label == "google-adc"


def test_a_signed_in_user_has_a_token_and_a_project_that_pays(endpoint: TokenEndpoint, credentials_file: Any) -> None:
    keys = _refresh() | {"type": "authorized_user", "quota_project_id": "who-pays", "token_uri": endpoint.url}
    credentials_file(**keys)

    def find() -> Any:
        import google.auth

        found, _ = google.auth.default(scopes=[SCOPE])
        found._token_uri = endpoint.url  # google-auth reads it from no file
        return found

    ready, _ = asyncio.run(GoogleSigner(find).signed(OUTBOUND))
    headers = dict(ready.headers)
    assert (headers[b"authorization"], headers[b"x-goog-user-project"]) == (b"Bearer ya29.1", b"who-pays")


def test_on_googles_machines_the_metadata_server_gives_it(
    endpoint: TokenEndpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host = endpoint.url.removeprefix("http://").removesuffix("/token")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    from google.auth.compute_engine import Credentials, _metadata

    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", host)
    monkeypatch.setattr(_metadata, "_METADATA_ROOT", f"http://{host}/computeMetadata/v1/", raising=False)
    ready, _ = asyncio.run(GoogleSigner(Credentials).signed(OUTBOUND))
    assert dict(ready.headers)[b"authorization"] == b"Bearer ya29.1"


def test_a_token_is_kept_until_shortly_before_its_end(
    endpoint: TokenEndpoint, private: rsa.RSAPrivateKey, credentials_file: Any
) -> None:
    credentials_file(**service_account(private, endpoint.url))
    now = [time.time()]
    signer = GoogleSigner(clock=lambda: now[0])

    async def ask() -> bytes:
        return dict((await signer.signed(OUTBOUND))[0].headers)[b"authorization"]

    async def several() -> list[bytes]:
        found = list(await asyncio.gather(ask(), ask(), ask()))
        now[0] += 3000
        found.append(await ask())
        now[0] += 400
        found.append(await ask())
        signer.forget()
        return [*found, await ask()]

    one, two, three = b"Bearer ya29.1", b"Bearer ya29.2", b"Bearer ya29.3"
    assert asyncio.run(several()) == [one, one, one, one, two, three]


def test_a_refusal_says_what_to_run_and_shows_no_key(
    endpoint: TokenEndpoint, private: rsa.RSAPrivateKey, credentials_file: Any
) -> None:
    credentials_file(**service_account(private, endpoint.url))
    endpoint.says = "invalid_grant"
    with pytest.raises(NoKey, match=r"invalid_grant.*gcloud auth application-default login") as caught:
        asyncio.run(GoogleSigner().signed(OUTBOUND))
    assert "PRIVATE" not in str(caught.value) and "\n" not in str(caught.value)


def test_no_credentials_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(NoKey, match="gcloud auth application-default login"):
        asyncio.run(GoogleSigner().signed(OUTBOUND))


def test_without_google_auth_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("google.auth", "google.auth.exceptions", "google.auth.transport.requests"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NoKey, match=r"pip install 'ringlet-mitm\[google\]'"):
        asyncio.run(GoogleSigner().signed(OUTBOUND))
