"""A stand-in for the login services of GitHub, OpenAI and MiniMax: their paths, forms and errors, under their names.

`script` says what the next questions for a grant hear ("pending", "slow_down", "expired", "denied", "trouble"); when it
is empty the person has approved. Refresh tokens rotate where they do at the vendor, and are good for one use.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlencode

from ringlet_mitm.addons.credentials.login import Login
from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.cli.demo.certificates import server_context
from ringlet_mitm.rules.provider_files import LoginSpec

GITHUB, GITHUB_API, OPENAI = "github.com", "api.github.com", "auth.openai.com"
MINIMAX = ("account.minimax.io", "account.minimaxi.com")
HOSTS = (GITHUB, GITHUB_API, OPENAI, *MINIMAX)
ACCOUNT = "acct-of-the-plan-0c41"
COPILOT_API = "https://api.individual.githubcopilot.com"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
USER_CODE_GRANT = "urn:ietf:params:oauth:grant-type:user_code"

Body = Mapping[str, Any]
Reply = tuple[int, Body]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived, its form or JSON as a mapping."""

    host: str
    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: Body = field(repr=False)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet: clients that leave in the middle, and those that do not trust us, are part of tests."""


class OAuthVendor:
    """The running stand-in; use it as a context manager.

    life_s: of the access tokens. patient: answer `slow_down` to who asks sooner than the interval, as GitHub does.
    refusal: `notification_id` of a refused Copilot token. revoked: nothing that was given out is taken any more.
    """

    def __init__(self) -> None:
        self.script: deque[str] = deque()
        self.seen: list[Seen] = []
        self.secrets: list[str] = []
        self.interval_s = 1.0
        self.expires_in = 900
        self.life_s = 1800
        self.patient = False
        self.refusal = ""
        self.revoked = False
        self.down = False
        self.slow_s = 0.0
        self._codes: dict[str, str] = {}
        self._alive: set[str] = set()
        self._used: set[str] = set()
        self._asked_at = 0.0
        self._folder = tempfile.TemporaryDirectory(prefix="oauth-vendor-")
        context, self.ca_file = server_context(Path(self._folder.name), HOSTS)
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                vendor._serve(self)

            do_GET = do_POST  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        # The handshake is done in the request's own thread.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def connect_to(self) -> list[str]:
        """Where to go instead of the vendors' addresses, as for curl's --connect-to."""
        return [f"{host}:443:127.0.0.1:{self.port}" for host in HOSTS]

    @property
    def options(self) -> list[str]:
        """The same as words of a command line, with the CA."""
        return [word for detour in self.connect_to for word in ("--connect-to", detour)] + [
            "--upstream-ca",
            str(self.ca_file),
        ]

    def asked(self, path: str) -> list[Seen]:
        """The requests for a path."""
        return [seen for seen in self.seen if seen.path == path]

    def new_refresh_token(self) -> str:
        """One that is good for one use."""
        token = self._secret("rt_")
        self._alive.add(token)
        return token

    def new_github_token(self) -> str:
        """One that can be exchanged."""
        token = self._secret("ghu_")
        self._alive.add(token)
        return token

    def login(self, provider: str) -> Login:
        """What a sign-in at one of SPECS would have stored."""
        spec, label = SPECS[provider], f"login:{provider}"
        extra = {"provider": provider, "client_id": spec.client_id, "token_url": spec.urls["token"]}
        extra |= {f"{name}_url": spec.urls[name] for name in ("exchange", "revoke") if name in spec.urls}
        extra |= {"api": COPILOT_API} if provider == "copilot" else {"account_id": ACCOUNT}
        refresh = self.new_github_token() if provider == "copilot" else self.new_refresh_token()
        return Login("oauth", Secret(self._secret("at_"), label), Secret(refresh, label), time.time() + 3600, extra)

    def __enter__(self) -> OAuthVendor:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._folder.cleanup()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        host = headers.get("host", "")
        seen = Seen(host, handler.command, handler.path, headers, _parsed(raw, headers.get("content-type", "")))
        self.seen.append(seen)
        status, body = self._reply(seen)
        as_form = host == GITHUB and "json" not in headers.get("accept", "")  # GitHub's default is a form
        data = (urlencode(body) if as_form else json.dumps(body)).encode()
        handler.send_response(status)
        handler.send_header("content-type", "application/x-www-form-urlencoded" if as_form else "application/json")
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def _reply(self, seen: Seen) -> Reply:
        if self.down:
            return 503, {"message": "Service Unavailable"}
        host = "minimax" if seen.host in MINIMAX else seen.host
        answers: dict[tuple[str, str, str], Callable[[Seen], Reply]] = {
            (GITHUB, "POST", "/login/device/code"): self._github_code,
            (GITHUB, "POST", "/login/oauth/access_token"): self._github_grant,
            (GITHUB_API, "GET", "/copilot_internal/v2/token"): self._copilot_token,
            (OPENAI, "POST", "/api/accounts/deviceauth/usercode"): self._openai_code,
            (OPENAI, "POST", "/api/accounts/deviceauth/token"): self._openai_grant,
            (OPENAI, "POST", "/oauth/token"): self._openai_token,
            (OPENAI, "POST", "/oauth/revoke"): self._openai_revoke,
            ("minimax", "POST", "/oauth2/device/code"): self._minimax_code,
            ("minimax", "POST", "/oauth2/token"): self._minimax_token,
        }
        answer = answers.get((host, seen.method, seen.path))
        return answer(seen) if answer else (404, {"message": "Not Found"})

    def _said(self) -> str:
        """What this question for a grant hears: "" where the person has approved."""
        now = time.monotonic()
        early, self._asked_at = now - self._asked_at < self.interval_s * 0.9, now
        if self.patient and early:
            return "slow_down"
        return self.script.popleft() if self.script else ""

    # GitHub

    def _github_code(self, seen: Seen) -> Reply:
        if seen.body.get("client_id", "") == "":
            return 404, {"error": "Not Found"}
        self._asked_at = time.monotonic()
        code = self._secret("")
        self._codes[code] = str(seen.body["client_id"])
        return 200, {
            "device_code": code,
            "user_code": "WDJB-MJHT",
            "verification_uri": "https://github.com/login/device",
            "expires_in": self.expires_in,
            "interval": int(self.interval_s),
        }

    def _github_grant(self, seen: Seen) -> Reply:
        if seen.body.get("grant_type") != DEVICE_GRANT:
            return 200, {"error": "unsupported_grant_type", "error_description": "The grant_type is not known."}
        if self._codes.get(str(seen.body.get("device_code"))) != seen.body.get("client_id"):
            return 200, {"error": "incorrect_device_code", "error_description": "The device_code is not valid."}
        words = {"pending": "authorization_pending", "expired": "expired_token", "denied": "access_denied"}
        said = self._said()
        if said == "trouble":
            return 502, {}
        if said == "slow_down":
            return 200, {"error": "slow_down", "error_description": "Too many requests.", "interval": 10}
        if said:
            return 200, {"error": words[said], "error_description": f"It is {said}."}
        self._codes.pop(str(seen.body["device_code"]))
        return 200, {"access_token": self.new_github_token(), "token_type": "bearer", "scope": "read:user"}

    def _copilot_token(self, seen: Seen) -> Reply:
        token = seen.headers.get("authorization", "").removeprefix("token ")
        if self.revoked or token not in self._alive:
            return 401, {"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"}
        if self.refusal or not seen.headers.get("editor-version", "").startswith("vscode/"):
            details = {"notification_id": self.refusal, "message": "No access to GitHub Copilot found."}
            return 403, {"message": "Resource not accessible by integration", "error_details": details}
        end = int(time.time()) + self.life_s
        return 200, {
            "token": self._secret(f"tid=1;exp={end};sku=monthly_subscriber;st=dotcom;chat=1:"),
            "expires_at": end,
            "refresh_in": self.life_s - 300,
            "endpoints": {"api": COPILOT_API, "proxy": "https://proxy.individual.githubcopilot.com"},
            "chat_enabled": True,
        }

    # OpenAI

    def _openai_code(self, seen: Seen) -> Reply:
        if seen.body.get("client_id", "") == "":
            return 400, {"error": {"message": "client_id is missing", "code": "invalid_request"}}
        self._asked_at = time.monotonic()
        handle = self._secret("deviceauth_")
        self._codes[handle] = "ABCD-12345"
        return 200, {"device_auth_id": handle, "user_code": "ABCD-12345", "interval": str(int(self.interval_s))}

    def _openai_grant(self, seen: Seen) -> Reply:
        handle = str(seen.body.get("device_auth_id"))
        if self._codes.get(handle) != seen.body.get("user_code"):
            return 404, {"error": {"message": "Unknown", "code": "deviceauth_authorization_unknown"}}
        codes = {"pending": "deviceauth_authorization_pending", "slow_down": "slow_down", "denied": "access_denied"}
        said = self._said()
        if said == "trouble":
            return 502, {}
        if said:
            code = codes.get(said, "expired_token")
            return 403, {"error": {"message": f"It is {said}.", "type": "invalid_request_error", "code": code}}
        code, verifier = self._secret("ac_"), self._secret("")
        self._codes[code] = verifier
        return 200, {"authorization_code": code, "code_challenge": _challenge(verifier), "code_verifier": verifier}

    def _openai_token(self, seen: Seen) -> Reply:
        body = seen.body
        if body.get("grant_type") == "refresh_token":
            return self._openai_refresh(str(body.get("refresh_token")), seen.headers.get("content-type", ""))
        verifier = self._codes.pop(str(body.get("code")), "")
        fits = verifier and verifier == body.get("code_verifier")
        if not fits or body.get("redirect_uri") != f"https://{OPENAI}/deviceauth/callback":
            return 400, {"error": "invalid_grant", "error_description": "The code does not fit."}
        return 200, self._openai_tokens()

    def _openai_refresh(self, token: str, content_type: str) -> Reply:
        time.sleep(self.slow_s)
        if self.revoked:
            return 401, _openai_error("refresh_token_invalidated")
        if token in self._used:
            return 401, _openai_error("refresh_token_reused")
        if token not in self._alive or not content_type.startswith("application/json"):
            return 401, _openai_error("refresh_token_expired")
        self._rotate(token)
        return 200, self._openai_tokens()

    def _openai_tokens(self) -> Body:
        claims = {"https://api.openai.com/auth": {"chatgpt_account_id": ACCOUNT, "chatgpt_plan_type": "plus"}}
        end = int(time.time()) + self.life_s
        return {
            "id_token": self._jwt({"email": "somebody@example.com", **claims}),
            "access_token": self._jwt({"exp": end, **claims}),
            "refresh_token": self.new_refresh_token(),
            "token_type": "Bearer",
        }

    def _openai_revoke(self, seen: Seen) -> Reply:
        if seen.body.get("token_type_hint") != "refresh_token" or seen.body.get("token") not in self._alive:
            return 400, {"error": {"message": "That token cannot be revoked.", "code": "invalid_request"}}
        self._alive.discard(str(seen.body["token"]))
        return 200, {}

    # MiniMax

    def _minimax_code(self, seen: Seen) -> Reply:
        body = seen.body
        if body.get("response_type") != "code" or body.get("code_challenge_method") != "S256":
            return 400, {"base_resp": {"status_code": 2013, "status_msg": "invalid params"}}
        self._asked_at = time.monotonic()
        self._codes["MMX-4711"] = str(body["code_challenge"])
        return 200, {
            "user_code": "MMX-4711",
            "verification_uri": "https://platform.minimax.io/oauth-authorize?user_code=MMX-4711",
            "expired_in": int((time.time() + self.expires_in) * 1000),
            "interval": int(self.interval_s * 1000),
            "state": body["state"],
        }

    def _minimax_token(self, seen: Seen) -> Reply:
        body = seen.body
        if body.get("grant_type") == "refresh_token":
            return self._minimax_refresh(str(body.get("refresh_token")))
        challenge = self._codes.get(str(body.get("user_code")))
        if body.get("grant_type") != USER_CODE_GRANT or challenge != _challenge(str(body.get("code_verifier"))):
            return 400, {"base_resp": {"status_code": 2013, "status_msg": "invalid user code"}}
        said = self._said()
        if said == "trouble":
            return 502, {}
        if said in ("pending", "slow_down"):
            return 200, {"status": "pending"}
        if said:
            return 200, {"status": "error", "base_resp": {"status_code": 1004, "status_msg": f"It is {said}."}}
        return 200, self._minimax_tokens()

    def _minimax_refresh(self, token: str) -> Reply:
        if self.revoked or token not in self._alive:
            return 400, {"error": "invalid_grant", "error_description": "The refresh token is not valid."}
        self._rotate(token)
        return 200, self._minimax_tokens()

    def _minimax_tokens(self) -> Body:
        return {
            "status": "success",
            "access_token": self._secret("mma_"),
            "refresh_token": self.new_refresh_token(),
            "expired_in": int((time.time() + self.life_s) * 1000),
            "token_type": "Bearer",
            "resource_url": "https://api.minimax.io",
        }

    def _rotate(self, token: str) -> None:
        self._alive.discard(token)
        self._used.add(token)

    def _secret(self, prefix: str) -> str:
        made = prefix + secrets.token_hex(20)
        self.secrets.append(made)
        return made

    def _jwt(self, claims: Body) -> str:
        parts = (b'{"alg":"none"}', json.dumps(claims).encode(), secrets.token_bytes(16))
        made = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
        self.secrets.append(made)
        return made


def _openai_error(code: str) -> Body:
    return {"error": {"message": "Sign in again.", "type": "invalid_request_error", "param": None, "code": code}}


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _parsed(raw: bytes, content_type: str) -> Body:
    if content_type.startswith("application/json"):
        found: Body = json.loads(raw or b"{}")
        return found
    return dict(parse_qsl(raw.decode()))


@dataclass(slots=True)
class FastClock:
    """Time that passes at once; `pauses` is how long was waited each time."""

    pauses: list[float] = field(default_factory=list)
    ahead_s: float = 0.0

    def now(self) -> float:
        """What it says."""
        return time.time() + self.ahead_s

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.pauses.append(seconds)
        self.ahead_s += seconds


SPECS = {
    "copilot": LoginSpec(
        "github-device",
        "Iv1.b507a08c87ecfe98",
        "read:user",
        {
            "code": "https://github.com/login/device/code",
            "token": "https://github.com/login/oauth/access_token",
            "exchange": "https://api.github.com/copilot_internal/v2/token",
        },
    ),
    "openai-codex": LoginSpec(
        "openai-device",
        "app_EMoamEEZ73f0CkXaXp7hrann",
        "",
        {
            "code": "https://auth.openai.com/api/accounts/deviceauth/usercode",
            "poll": "https://auth.openai.com/api/accounts/deviceauth/token",
            "token": "https://auth.openai.com/oauth/token",
            "verify": "https://auth.openai.com/codex/device",
            "callback": "https://auth.openai.com/deviceauth/callback",
            "revoke": "https://auth.openai.com/oauth/revoke",
        },
    ),
    "minimax-oauth": LoginSpec(
        "minimax-device",
        "78257093-7e40-4613-99e0-527b14b39113",
        "group_id profile model.completion",
        {
            "code": "https://account.minimax.io/oauth2/device/code",
            "token": "https://account.minimax.io/oauth2/token",
        },
    ),
}
