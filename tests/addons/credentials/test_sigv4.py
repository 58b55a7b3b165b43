"""AWS's own published test suite (aws-sig-v4-test-suite), and botocore's signer for what the suite does not have."""

from __future__ import annotations

import calendar
import time

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from ringlet_mitm.addons.credentials.sigv4 import AwsKeys, Call, Scope, authority, signature_headers
from ringlet_mitm.rules.shapes import Headers

KEYS = AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SCOPE = Scope(calendar.timegm((2015, 8, 30, 12, 36, 0)), "us-east-1", "service")
HOST = "example.amazonaws.com"
UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VANILLA = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7"
    "mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d"
    "+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
FORM = ((b"Content-Type", b"application/x-www-form-urlencoded"),)


def ours(text: bytes) -> Headers:
    return ((b"My-Header1", text),)


# Name in the suite -> method, path and query, headers, body, names of the signed headers, signature.
SUITE: dict[str, tuple[str, str, Headers, bytes, str, str]] = {
    "get-vanilla": ("GET", "/", (), b"", "host;x-amz-date", VANILLA),
    "get-vanilla-query-order-key-case": (
        *("GET", "/?Param2=value2&Param1=value1", (), b"", "host;x-amz-date"),
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-vanilla-query-unreserved": (
        *("GET", f"/?{UNRESERVED}={UNRESERVED}", (), b"", "host;x-amz-date"),
        "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
    ),
    "get-vanilla-empty-query-key": (
        *("GET", "/?Param1=value1", (), b"", "host;x-amz-date"),
        "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
    ),
    "get-vanilla-utf8-query": (
        *("GET", "/?ሴ=bar", (), b"", "host;x-amz-date"),
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
    ),
    "get-unreserved": (
        *("GET", f"/{UNRESERVED}", (), b"", "host;x-amz-date"),
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    "get-utf8": (
        *("GET", "/ሴ", (), b"", "host;x-amz-date"),
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
    ),
    "normalize-path/get-relative": ("GET", "/example/..", (), b"", "host;x-amz-date", VANILLA),
    "normalize-path/get-relative-relative": ("GET", "/example1/example2/../..", (), b"", "host;x-amz-date", VANILLA),
    "normalize-path/get-slash": ("GET", "//", (), b"", "host;x-amz-date", VANILLA),
    "normalize-path/get-slash-dot-slash": ("GET", "/./", (), b"", "host;x-amz-date", VANILLA),
    "normalize-path/get-slashes": (
        *("GET", "//example//", (), b"", "host;x-amz-date"),
        "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
    ),
    "normalize-path/get-slash-pointless-dot": (
        *("GET", "/./example", (), b"", "host;x-amz-date"),
        "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
    ),
    "normalize-path/get-space": (
        *("GET", "/example space/", (), b"", "host;x-amz-date"),
        "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
    ),
    "get-header-value-trim": (
        *("GET", "/", (*ours(b" value1"), (b"My-Header2", b' "a   b   c"')), b""),
        *("host;my-header1;my-header2;x-amz-date", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
    ),
    "get-header-key-duplicate": (
        *("GET", "/", (*ours(b"value2"), *ours(b"value2"), *ours(b"value1")), b""),
        *("host;my-header1;x-amz-date", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
    ),
    "get-header-value-order": (
        *("GET", "/", (*ours(b"value4"), *ours(b"value1"), *ours(b"value3"), *ours(b"value2")), b""),
        *("host;my-header1;x-amz-date", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"),
    ),
    "post-vanilla": (
        *("POST", "/", (), b"", "host;x-amz-date"),
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "post-vanilla-query": (
        *("POST", "/?Param1=value1", (), b"", "host;x-amz-date"),
        "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
    ),
    "post-header-key-sort": (
        *("POST", "/", ours(b"value1"), b"", "host;my-header1;x-amz-date"),
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
    ),
    "post-header-value-case": (
        *("POST", "/", ours(b"VALUE1"), b"", "host;my-header1;x-amz-date"),
        "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
    ),
    "post-x-www-form-urlencoded": (
        *("POST", "/", FORM, b"Param1=value1", "content-type;host;x-amz-date"),
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
}


def authorization(call: Call, keys: AwsKeys, scope: Scope) -> str:
    return dict(signature_headers(call, keys, scope))[b"authorization"].decode()


@pytest.mark.parametrize("case", SUITE.values(), ids=SUITE)
def test_aws_test_suite(case: tuple[str, str, Headers, bytes, str, str]) -> None:
    method, path, headers, body, names, signature = case
    assert authorization(Call(method, HOST, path, headers, body), KEYS, SCOPE) == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )


def test_aws_test_suite_with_a_session_token() -> None:
    """post-sts-token/post-sts-header-before: the token is signed too."""
    added = dict(signature_headers(Call("POST", HOST, "/", (), b""), AwsKeys(*_pair(), TOKEN), SCOPE))
    assert added[b"x-amz-security-token"] == TOKEN.encode()
    assert (
        added[b"authorization"]
        .decode()
        .endswith(
            "SignedHeaders=host;x-amz-date;x-amz-security-token, "
            "Signature=85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"
        )
    )


def _pair() -> tuple[str, str]:
    return KEYS.access_key, KEYS.secret_key


def botocores(call: Call, keys: AwsKeys, region: str, service: str) -> tuple[str, float]:
    """What botocore's signer says of the same request, and when it said so."""
    headers = {name.decode(): value.decode() for name, value in call.headers}
    request = AWSRequest(call.method, f"https://{call.host}{call.path}", headers, call.body)
    credentials = Credentials(keys.access_key, keys.secret_key, keys.session_token)
    SigV4Auth(credentials, service, region).add_auth(request)
    stamp = time.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    return str(request.headers["Authorization"]), calendar.timegm(stamp)


MODELS = {
    "a plain name": "/model/meta.llama3-3-70b-instruct/converse",
    "a version after a colon, as we send it": "/model/global.anthropic.claude-sonnet-4-5-20250929-v1:0/converse",
    "a colon as botocore sends it": "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream",
    "an ARN in one segment": "/model/arn:aws:bedrock:us-east-1:123456789012:inference-profile%2Fus.x.y-v1:0/converse",
    "a query": "/model/x/invoke?b=2&a=1&c=%20",
    "no path": "/",
}


@pytest.mark.parametrize("path", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("token", [None, TOKEN], ids=["keys that stay", "keys of a session"])
def test_botocore_signs_the_same(path: str, token: str | None) -> None:
    call = Call("POST", "bedrock-runtime.us-east-1.amazonaws.com", path, FORM, b'{"messages": []}')
    keys = AwsKeys(*_pair(), token)
    said, now = botocores(call, keys, "us-east-1", "bedrock")
    assert authorization(call, keys, Scope(now, "us-east-1", "bedrock")) == said


@settings(max_examples=150, deadline=None)
@given(
    segments=st.lists(st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="?#[]\\"), max_size=8)),
    value=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
    body=st.binary(max_size=64),
    token=st.none() | st.just(TOKEN),
)
def test_botocore_signs_any_request_the_same(segments: list[str], value: str, body: bytes, token: str | None) -> None:
    call = Call("POST", "h.eu-west-1.amazonaws.com", "/m/" + "/".join(segments), ours(value.encode()), body)
    keys = AwsKeys(*_pair(), token)
    said, now = botocores(call, keys, "eu-west-1", "bedrock")
    assert authorization(call, keys, Scope(now, "eu-west-1", "bedrock")) == said


@pytest.mark.parametrize(
    ("scheme", "host", "port", "said"),
    [
        ("https", "h.example", 443, "h.example"),
        ("https", "h.example", 8443, "h.example:8443"),
        ("http", "h.example", 80, "h.example"),
        ("https", "::1", 443, "[::1]"),
    ],
)
def test_the_host_header_has_an_unusual_port(scheme: str, host: str, port: int, said: str) -> None:
    assert authority(scheme, host, port) == said


def test_keys_do_not_show() -> None:
    assert KEYS.secret_key not in repr(KEYS) and TOKEN not in repr(AwsKeys(*_pair(), TOKEN))
