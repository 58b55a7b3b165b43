from __future__ import annotations

import asyncio
import calendar
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ProfileNotFound
from mitmproxy import http
from mitmproxy.test import tflow

from ringlet_mitm.addons.credentials.aws import APART_BYTES, ASK_AGAIN_S, AwsSigner, region_of
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.addons.rewriting import apply
from ringlet_mitm.rules.errors import NoKey, RouteError

HOST = "bedrock-runtime.eu-central-1.amazonaws.com"
PATH = "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1:0/converse"
BODY = b'{"messages": [{"role": "user", "content": [{"text": "hi"}]}]}'
HEADERS = (
    *(
        (b"content-type", b"application/json"),
        (b"accept", b"*/*"),
        (b"Authorization", b"AWS4-HMAC-SHA256 of the agent"),
    ),
    *((b"X-Amz-Date", b"20200101T000000Z"), (b"X-Amz-Security-Token", b"of the agent"), (b"Host", b"agents.example")),
)
OUTBOUND = Outbound("POST", "https", HOST, 443, PATH, HEADERS, BODY)


@dataclass
class Chain:
    """A botocore session with its keys; counts how often it is asked."""

    credentials: Credentials | None = field(default_factory=lambda: Credentials("AKIDEXAMPLE", "sk", "token", "env"))
    region: str | None = None
    asked: int = 0
    made: int = 0

    def make(self, _environ: Any) -> Chain:
        self.made += 1
        return self

    def get_credentials(self) -> Any:
        self.asked += 1
        return self.credentials

    def get_config_variable(self, logical_name: str) -> Any:
        return self.region if logical_name == "region" else None


def signer(chain: Chain, clock: Any = time.time, **environ: str) -> AwsSigner:
    return AwsSigner(environ, chain.make, clock)


def signed(outbound: Outbound, chain: Chain | None = None, **environ: str) -> tuple[Outbound, str]:
    return asyncio.run(signer(chain or Chain(), **environ).signed(outbound))


def sent(outbound: Outbound, arrived: bytes = BODY, *, http2: bool = False, **headers: str) -> http.Request:
    """What mitmproxy sends for it, given what came in."""
    flow = tflow.tflow()
    flow.request = http.Request.make("POST", "https://agents.example/x", arrived, headers)
    flow.request.http_version = "HTTP/2.0" if http2 else "HTTP/1.1"
    apply(flow.request, outbound, flow.request.raw_content or b"")
    return flow.request


def vendors_signature(request: http.Request, authority: str, keys: Credentials) -> str:
    """What AWS makes of what arrives there: only the headers that the signature names, all as they are on the wire."""
    header = request.headers["authorization"]
    names = header.split("SignedHeaders=")[1].split(",")[0].split(";")
    scope = header.split("Credential=")[1].split(",")[0].split("/")
    on_wire = {name: authority if name == "host" else request.headers[name] for name in names}
    checked = AWSRequest(request.method, f"https://{authority}{request.path}", on_wire, request.raw_content)
    checked.context["timestamp"] = request.headers["x-amz-date"]
    signer = SigV4Auth(keys, scope[3], scope[2])
    text = signer.string_to_sign(checked, signer.canonical_request(checked))
    return str(signer.signature(text, checked))


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize(
    ("outbound", "authority"),
    [
        (OUTBOUND, HOST),
        (replace(OUTBOUND, port=8443), f"{HOST}:8443"),
        (replace(OUTBOUND, path="/model/arn:aws:bedrock:eu-central-1:1:inference-profile%2Fx/converse-stream"), HOST),
    ],
    ids=["a model", "a port", "an ARN"],
)
def test_the_signature_is_over_what_goes_out(outbound: Outbound, authority: str, http2: bool) -> None:
    chain = Chain()
    ready, label = signed(outbound, chain)
    request = sent(ready, http2=http2)
    assert chain.credentials is not None and label == "aws:env"
    signature = request.headers["authorization"].split("Signature=")[1]
    assert vendors_signature(request, authority, chain.credentials) == signature
    assert request.headers["x-amz-security-token"] == "token"
    assert not any("agent" in value for value in request.headers.values())
    assert "/eu-central-1/bedrock/aws4_request" in request.headers["authorization"]


def test_a_long_body_is_signed_as_well() -> None:
    chain, long = Chain(), b"x" * (APART_BYTES + 1)
    ready, _ = signed(replace(OUTBOUND, body=long), chain)
    request = sent(ready, long)
    assert chain.credentials is not None
    signature = request.headers["authorization"].split("Signature=")[1]
    assert vendors_signature(request, HOST, chain.credentials) == signature


def test_a_compressed_body_goes_out_plain_as_it_was_signed() -> None:
    chain = Chain()
    ready, _ = signed(replace(OUTBOUND, headers=(*HEADERS, (b"content-encoding", b"zstd"))), chain)
    request = sent(ready, b"\x28\xb5\x2f\xfdcompressed", content_encoding="zstd")
    assert chain.credentials is not None and request.raw_content == BODY
    assert "content-encoding" not in request.headers
    signature = request.headers["authorization"].split("Signature=")[1]
    assert vendors_signature(request, HOST, chain.credentials) == signature


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (HOST, "eu-central-1"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("bedrock-mantle.ap-southeast-2.api.aws", "ap-southeast-2"),
        ("vpce-0a1b-c2d3.bedrock-runtime.us-east-1.vpce.amazonaws.com", "us-east-1"),
        ("gateway.example", ""),
        ("box-1.example", ""),
    ],
)
def test_the_region_is_in_the_host(host: str, region: str) -> None:
    assert region_of(host) == region


@pytest.mark.parametrize(
    ("environ", "profiles", "region"),
    [({"AWS_REGION": "us-west-2"}, "eu-west-1", "us-west-2"), ({}, "eu-west-1", "eu-west-1")],
    ids=["a variable first", "else the profile's"],
)
def test_a_host_without_a_region_takes_the_persons(environ: dict[str, str], profiles: str, region: str) -> None:
    ready, _ = signed(replace(OUTBOUND, host="gateway.example"), Chain(region=profiles), **environ)
    assert f"/{region}/bedrock/".encode() in dict(ready.headers)[b"authorization"]


def test_without_any_region_it_says_what_to_set() -> None:
    with pytest.raises(RouteError, match="set AWS_REGION"):
        signed(replace(OUTBOUND, host="gateway.example"))


def test_the_chain_is_asked_once_a_minute_and_anew_after_forgetting() -> None:
    now, chain = [1000.0], Chain()
    made = signer(chain, lambda: now[0])

    async def several() -> None:
        await asyncio.gather(*(made.signed(OUTBOUND) for _ in range(4)))
        await made.signed(OUTBOUND)
        assert (chain.made, chain.asked) == (1, 1)
        now[0] += ASK_AGAIN_S
        await made.signed(OUTBOUND)
        assert (chain.made, chain.asked) == (1, 2)
        made.forget()
        await made.signed(OUTBOUND)
        assert (chain.made, chain.asked) == (2, 3)

    asyncio.run(several())


def test_no_credentials_says_both_ways_to_get_some() -> None:
    with pytest.raises(NoKey, match=r"AWS_BEARER_TOKEN_BEDROCK .*aws configure"):
        signed(OUTBOUND, Chain(credentials=None))


def test_what_botocore_does_not_like_is_said_in_its_words() -> None:
    class Broken(Chain):
        def get_credentials(self) -> Any:
            raise ProfileNotFound(profile="work")

    with pytest.raises(NoKey, match=r"profile \(work\) could not be found"):
        signed(OUTBOUND, Broken())


def test_without_botocore_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("botocore", "botocore.exceptions", "botocore.session"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NoKey, match=r"pip install 'ringlet-mitm\[aws\]'"):
        signed(OUTBOUND)


def test_botocores_own_chain_reads_a_persons_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real session, over a real credentials file with a profile and a session token."""
    (tmp_path / "credentials").write_text(
        "[work]\naws_access_key_id = AKIDWORK\naws_secret_access_key = s\naws_session_token = t\n"
    )
    (tmp_path / "config").write_text("[profile work]\nregion = ca-central-1\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    made = AwsSigner({"AWS_PROFILE": "work"})
    ready, label = asyncio.run(made.signed(replace(OUTBOUND, host="gateway.example")))
    headers = dict(ready.headers)
    assert b"Credential=AKIDWORK/" in headers[b"authorization"] and b"/ca-central-1/" in headers[b"authorization"]
    assert (headers[b"x-amz-security-token"], label) == (b"t", "aws:shared-credentials-file")
    stamp = time.strptime(headers[b"x-amz-date"].decode(), "%Y%m%dT%H%M%SZ")
    assert abs(calendar.timegm(stamp) - time.time()) < 60
