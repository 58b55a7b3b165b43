"""Each provider on the wire: its URL, key, headers and name for the model, and the row of our ledger."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from clients import client, rows
from every_provider import FILES_OFF, Case, Heard, Traffic, ask, cases, every_vendor, specs
from forking import ForkedProxy

from ringlet_mitm.cli.demo.upstream import Seen
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile
from ringlet_mitm.rules.providers import ProviderRegistry

CREDENTIALS = ("authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie", "openai-organization")
AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
each_case = pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)


def heard(traffic: Traffic, case: Case) -> Heard:
    found = traffic.heard[case.number]
    assert found.status == 200, found.answer.decode()
    return found


def arrived(traffic: Traffic, case: Case) -> Seen:
    (seen,) = heard(traffic, case).seen
    return seen


@pytest.mark.parametrize("provider", [spec.provider_id for spec in specs()])
def test_every_provider_has_a_row(provider: str) -> None:
    known = ProviderRegistry.default()
    assert provider in {spec.provider_id for case in cases() if (spec := known.get(case.provider))}


@each_case
def test_url(every_request: Traffic, case: Case) -> None:
    seen = arrived(every_request, case)
    scheme = case.said["url"].partition(":")[0]
    assert f"{scheme}://{seen.host}{unquote(seen.path)}" == case.said["url"]
    assert (seen.method, seen.query) == ("POST", case.said.get("query", ""))


@each_case
def test_credentials(every_request: Traffic, case: Case) -> None:
    headers = arrived(every_request, case).headers
    name, value = case.said.get("header", ("", ""))
    wanted = {name: value.format(key=case.token)} if case.token else {}
    assert {name: headers[name] for name in CREDENTIALS if name in headers} == wanted
    assert all(len(headers.get_list(name)) == 1 for name in wanted)


@each_case
def test_headers(every_request: Traffic, case: Case) -> None:
    headers = arrived(every_request, case).headers
    for name, value in case.said.get("headers", {}).items():
        assert value in ("*", headers.get(name)), name
        assert headers.get(name), name
    assert headers["content-type"].startswith("application/json")


@each_case
def test_body(every_request: Traffic, case: Case) -> None:
    body = json.loads(arrived(every_request, case).body)
    assert body.get("model", "") == case.said.get("sends", case.said["model"])
    for key, value in case.said.get("body", {}).items():
        assert body.get(key) == value or (value == "*" and body.get(key)), key
    assert not {*case.said.get("absent", [])} & body.keys()
    assert "hello" in json.dumps(body)


@each_case
def test_answer(every_request: Traffic, case: Case) -> None:
    said = json.loads(heard(every_request, case).answer)
    text = said["content"][0]["text"] if case.said["agent"] == "messages" else said["choices"][0]["message"]["content"]
    assert "I have read your message" in text


@each_case
def test_row_of_the_ledger(every_request: Traffic, case: Case) -> None:
    (row,) = (row for row in every_request.ledger if row["requested_model"] == case.asked)
    spec = ProviderRegistry.default().get(case.provider)
    assert spec is not None
    assert (row["provider"], row["routed_model"]) == (spec.provider_id, case.said["model"])
    assert (row["status"], row["usage_source"], row["error_class"]) == (200, "reported", "")
    assert row["input_tokens"] > 0 < row["output_tokens"]


def test_requests_that_no_rule_takes_stay_the_agents(every_request: Traffic) -> None:
    chat, messages = every_request.passed["chat"], every_request.passed["messages"]
    assert (chat.host, chat.headers["authorization"][:10]) == ("api.openai.com", "Bearer sk-")
    assert (messages.host, messages.headers["x-api-key"][:7]) == ("api.anthropic.com", "sk-ant-")


def test_bedrock_signed_with_aws_keys(tmp_path: Path) -> None:
    """The signature is made again by botocore's signer from what arrived."""
    model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    save_profile(home_of({"RINGLET_HOME": str(tmp_path)}), Profile(name="work"))
    rule = f'[[rule]]\nmatch = {{ always = true }}\nto = "bedrock"\nmodel = "{model}"\n'
    home_of({"RINGLET_HOME": str(tmp_path)}).routing_file("work").write_text(rule)
    with every_vendor() as vendor:
        with ForkedProxy(tmp_path, vendor, profile="work", keys={**FILES_OFF, **AWS}) as proxy, client(proxy) as http:
            assert ask(http, "messages", "claude-sonnet-4-5").status_code == 200
            (row,) = rows(proxy)
        seen = vendor.seen[-1]
    assert (row["provider"], row["routed_model"], row["usage_source"]) == ("bedrock", model, "reported")
    assert seen.headers["authorization"] == signed_again(seen)
    assert all(AWS["AWS_SECRET_ACCESS_KEY"] not in value for _, value in seen.headers.get_all())


def signed_again(seen: Seen) -> str:
    """The authorization header that AWS would make of the same request."""
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/(\d{8})/us-east-1/bedrock/aws4_request, "
        r"SignedHeaders=([a-z0-9;-]+), Signature=[0-9a-f]{64}",
        seen.headers["authorization"],
    )
    assert found, seen.headers["authorization"]
    names = found[2].split(";")
    assert {"host", "x-amz-date"} <= {*names}
    said = {name: seen.headers[name] for name in names}
    request = AWSRequest("POST", f"https://{seen.host}{seen.path}", headers=said, data=seen.body)
    request.context["timestamp"] = seen.headers["x-amz-date"]
    signer = SigV4Auth(Credentials(*AWS.values()), "bedrock", "us-east-1")
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    scope = f"{found[1]}/us-east-1/bedrock/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={found[2]}, Signature={signature}"
