"""`rules check`, `rules explain`, `rules conditions`, as a person types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ringlet_mitm.cli.rules import command
from ringlet_mitm.rules.errors import ConfigError, UsageError
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.matching import MATCH_KEYS
from ringlet_mitm.rules.profiles import Profile, save_profile

FIXTURES = Path(__file__).parents[2] / "fixtures"
CAPTURES = sorted((FIXTURES / "captures").glob("*.json"))
REFERENCE = FIXTURES / "routing" / "good" / "reference-routing.toml"
BODY = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 100,
    "system": "s",
    "messages": [{"role": "user", "content": "hello"}],
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("ANTHROPIC_API_KEY", "GROQ_API_KEY", "OPENAI_API_KEY", "MINIMAX_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def work(home: Path) -> Path:
    """The routing file of a profile `work`."""
    save_profile(home_of({"RINGLET_HOME": str(home)}), Profile(name="work", provider="anthropic"))
    return home / "profiles" / "work" / "routing.toml"


def run(*words: str | Path, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], input=stdin)


def test_check_of_a_good_file(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text('[[rule]]\nmatch.stream = true\nto = "groq"\n[default]\nto = "anthropic"\nmodel = "m"\n')
    result = run("check", file)
    assert (result.exit_code, result.output) == (0, f"{file}: OK, 1 rule, everything else goes to anthropic, model m\n")


def test_check_warns_with_lines_and_passes(home: Path) -> None:
    result = run("check", REFERENCE)
    first, last = result.output.splitlines()
    assert first.startswith(f"{REFERENCE}:2: warning: tool-use → anthropic: takes nearly every turn")
    assert last == f"{REFERENCE}: OK, 3 rules, everything else goes to anthropic, model claude-haiku-4-5, 1 warning"
    assert result.exit_code == 0


def test_check_lists_every_error_and_exits_with_2(home: Path) -> None:
    file = FIXTURES / "routing" / "broken" / "several.toml"
    result = run("check", file)
    expected = [f"ringlet-mitm: {file.parent}/{line}" for line in file.with_suffix(".txt").read_text().splitlines()]
    assert (result.exit_code, result.stderr.splitlines(), result.stdout) == (2, expected, "")


def test_check_of_a_profile(work: Path) -> None:
    work.write_text('[[rule]]\nmatch.stream = true\nto = "groq"\n')
    assert run("check", "--profile", "work").output == f"{work}: OK, 1 rule, everything else goes to anthropic\n"


def test_check_of_a_profile_without_rules(work: Path) -> None:
    result = run("check", "--profile", "work")
    assert (result.exit_code, result.output) == (
        0,
        f"{work}: not there, so there are no rules: everything goes to anthropic\n",
    )


LIMITS = """[limits]
usd-per-day = { warn = 10, refuse = 20 }
[limits.groq]
parallel = 2
tokens-per-minute = { switch = 100_000, to = "anthropic" }
"""


def test_check_and_list_name_the_limits(work: Path) -> None:
    work.write_text(LIMITS)
    assert run("check", "--profile", "work").output.splitlines() == [
        f"{work}:2: limit: usd-per-day: warns at $10, refuses at $20",
        f"{work}:4: limit: groq parallel: 2 at once, others wait in line",
        f"{work}:5: limit: groq tokens-per-minute: goes to anthropic at 100,000",
        f"{work}: OK, 0 rules, everything goes to anthropic",
    ]
    assert run("list", "--profile", "work").output.splitlines()[2:] == [
        "",
        "Limits:",
        "  usd-per-day: warns at $10, refuses at $20",
        "  groq parallel: 2 at once, others wait in line",
        "  groq tokens-per-minute: goes to anthropic at 100,000",
    ]
    assert len(json.loads(run("list", "--profile", "work", "--json").output)) == 1


def test_check_says_that_a_profile_does_not_use_its_rules(home: Path, work: Path) -> None:
    save_profile(home_of({"RINGLET_HOME": str(home)}), Profile(name="work", proxy="none"))
    work.write_text("")
    assert "profile 'work' does not use them" in run("check", "--profile", "work").output


def test_a_persons_own_provider_is_known(home: Path, work: Path) -> None:
    (home / "providers").mkdir()
    (home / "providers" / "mine.toml").write_text(
        'name = "mine"\nshape = "openai"\nendpoint = "https://llm.example/v1"\n'
    )
    work.write_text('[[rule]]\nmatch.stream = true\nto = "mine"\n')
    assert run("check", "--profile", "work").exit_code == 0


REFUSED: dict[str, tuple[list[str], type[Exception], str]] = {
    "a profile that is not there": (["check", "--profile", "nope"], UsageError, "there is no profile 'nope'"),
    "a file that is not there": (["check", "nope.toml"], ConfigError, "nope.toml: cannot be read: No such file"),
    "a request that is not there": (["explain", "nope.json"], ConfigError, "nope.json: cannot be read: No such file"),
    "a header without a colon": (["explain", "-", "-H", "x"], UsageError, "write it as 'name: value'"),
}


@pytest.mark.parametrize(("words", "kind", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_said(home: Path, words: list[str], kind: type[Exception], said: str) -> None:
    error = run(*words, stdin=json.dumps(BODY)).exception
    assert isinstance(error, kind)
    assert said in str(error)


def test_a_routing_file_that_is_not_text(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_bytes(b"\xff")
    assert str(run("check", file).exception) == f"{file}: is not UTF-8 text"


def test_errors_are_one_line_and_exit_code_2(home: Path) -> None:
    """Through the program itself, as it is installed."""
    code = "from ringlet_mitm.cli.main import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", code, "rules", "explain", "-"], input=b"{}", capture_output=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert ran.stderr.decode().splitlines() == [
        "ringlet-mitm: - does not tell its wire format; give --path, as in --path /v1/messages"
    ]


def explained(*words: str | Path, stdin: str | bytes | None = None) -> dict[str, Any]:
    result = run("explain", *words, "--json", stdin=stdin)
    assert result.exit_code == 0, result.exception
    said: dict[str, Any] = json.loads(result.output)
    return said


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_every_capture_can_be_explained(work: Path, path: Path) -> None:
    work.write_text(REFERENCE.read_text())
    said = explained(path, "--profile", "work")
    assert said["decision"]["label"] in [rule["label"] for rule in said["rules"]] + [said["default"]["label"]]
    assert said["request"]["counted_tokens"] > 0
    assert run("explain", path, "--profile", "work").exit_code == 0


def test_a_small_body_goes_to_the_rule_for_small_ones(work: Path) -> None:
    work.write_text('[[rule]]\nmatch.input-tokens-lt = 2000\nto = "minimax"\nmodel = "MiniMax-M2"\n')
    said = explained("-", "--profile", "work", stdin=json.dumps(BODY))
    assert said["decision"]["label"] == "input-tokens-lt → minimax"
    assert 0 < said["decision"]["estimate"] < 100
    leg = said["rewrite"][0]
    assert (leg["model"], leg["edits"], leg["key_is_set"]) == ("MiniMax-M2", 1, False)
    assert leg["url"].startswith("https://api.minimax.io/")


def test_what_stays_keeps_the_agents_credentials(work: Path) -> None:
    leg = explained("-", "--profile", "work", stdin=json.dumps(BODY))["rewrite"][0]
    assert (leg["host_changes"], leg["edits"]) == (False, 0)
    assert leg["credentials"].startswith("the agent's own stay")


def test_another_routing_file_can_be_tried(work: Path, tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    file.write_text('[[rule]]\nmatch.header = { x-tier = "cheap*" }\nto = "anthropic"\nmodel = "claude-haiku-4-5"\n')
    words = ["-", "--profile", "work", "--rules", file, "-H", "X-Tier: cheapest"]
    assert explained(*words, stdin=json.dumps(BODY))["decision"]["model"] == "claude-haiku-4-5"


def test_what_a_translation_drops_is_said_beforehand(work: Path) -> None:
    work.write_text('[[rule]]\nmatch.always = true\nto = "groq"\nmodel = "llama-3.3-70b-versatile"\n')
    leg = explained("-", "--profile", "work", stdin=json.dumps(BODY | {"top_k": 5}))["rewrite"][0]
    assert (leg["translated"], leg["format"], leg["edits"]) == (True, "openai-chat", 0)
    assert "top_k" in [loss["what"] for loss in leg["losses"]]


def test_what_cannot_be_translated_is_said_to_be_refused(work: Path) -> None:
    work.write_text('[[rule]]\nmatch.always = true\nto = "groq"\n')
    leg = explained("-", "--profile", "work", stdin=json.dumps(BODY | {"messages": 7}))["rewrite"][0]
    assert "always → groq" in leg["refusal"]


def test_a_body_that_cannot_be_read_is_explained_too(work: Path) -> None:
    said = explained("-", "--profile", "work", "--path", "/v1/messages", stdin=b"\xff{")
    assert said["request"]["unreadable"]
    assert said["decision"]["label"] == "default → anthropic"


def test_rules_that_are_off_are_not_asked(home: Path, work: Path) -> None:
    save_profile(home_of({"RINGLET_HOME": str(home)}), Profile(name="work", proxy="none"))
    work.write_text('[[rule]]\nmatch.always = true\nto = "groq"\n')
    assert explained("-", "--profile", "work", stdin=json.dumps(BODY))["rules"] == []


def test_without_a_profile_everything_passes_through(home: Path) -> None:
    assert explained("-", stdin=json.dumps(BODY))["decision"]["label"] == "default → passthrough"


@pytest.mark.parametrize("to", ["passthrough", "anthropic"])
def test_other_models_are_called_by_who_will_be_asked_for_them(home: Path, work: Path, to: str) -> None:
    work.write_text(f'[default]\nto = "{to}"\n')
    others = '"claude-opus-4-8" = ["claude-haiku-4-5", "openai/gpt-4o"]'
    (home / "config.toml").write_text(f"[reliability.model_fallbacks]\n{others}\n")
    body = json.dumps(BODY | {"model": "claude-opus-4-8"})
    lines = run("explain", "-", "--profile", "work", stdin=body).output.splitlines()
    (said,) = (line.strip() for line in lines if "if it fails" in line)
    assert said.startswith("then, if it fails: anthropic/claude-haiku-4-5, then openai/gpt-4o; up to 2 retries each")
    chain = explained("-", "--profile", "work", stdin=body)["chain"]
    assert [(one["provider"], one["model"]) for one in chain] == [
        ("anthropic", "claude-opus-4-8"),
        ("anthropic", "claude-haiku-4-5"),
        ("openai", "gpt-4o"),
    ]


def test_no_key_is_printed(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", "sk-mini-secretsecretsecret")
    work.write_text('[[rule]]\nmatch.header = { x-api-key = "sk-ant-*" }\nto = "minimax"\n')
    words = ["explain", "-", "--profile", "work", "-H", "x-api-key: sk-ant-agentagentagent"]
    result = run(*words, stdin=json.dumps(BODY))
    assert "decision: header.x-api-key → minimax" in result.output
    assert "agentagent" not in result.output
    assert "secretsecret" not in result.output


def test_the_conditions_are_listed(home: Path) -> None:
    lines = run("conditions").output.splitlines()
    assert [line.split(" = ")[0] for line in lines[1 : 1 + len(MATCH_KEYS)]] == list(MATCH_KEYS)
    assert len(json.loads(run("conditions", "--json").output)) == len(MATCH_KEYS)
    assert run("conditions", "--markdown").output.count("\n") == len(MATCH_KEYS) + 2


CONFIG = """\
default_provider = "openrouter"
default_model = "anthropic/claude-sonnet-4.6"
api_key = "${OPENROUTER_KEY}"

[[model_routes]]
hint = "claude-"
provider = "anthropic"
api_key = "${ANTHROPIC_KEY}"
"""


@pytest.fixture
def config(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config.toml, its keys set, and a profile without a provider of its own."""
    save_profile(home_of({"RINGLET_HOME": str(home)}), Profile(name="plain"))
    monkeypatch.setenv("OPENROUTER_KEY", "sk-or-secretsecret")
    monkeypatch.setenv("ANTHROPIC_KEY", "sk-ant-secretsecret")
    path = home / "config.toml"
    path.write_text(CONFIG)
    return path


def plain(home: Path) -> Path:
    return home / "profiles" / "plain" / "routing.toml"


def test_sticky_rules_are_named(work: Path, tmp_path: Path) -> None:
    work.write_text((FIXTURES / "routing" / "good" / "sticky.toml").read_text())
    assert run("check", "--profile", "work").output.startswith(f"{work}: OK, 2 rules (1 sticky), everything else ")
    listed = run("list", "--profile", "work").output.splitlines()
    assert [" (sticky)" in line for line in listed] == [False, True, False, False]
    as_json = json.loads(run("list", "--profile", "work", "--json").output)
    assert [row["sticky"] for row in as_json] == ["session", None, None]
    body = tmp_path / "request.json"
    body.write_text(json.dumps(BODY))
    said = run("explain", body, "--path", "/v1/messages", "--profile", "work").output
    assert "  1. input-tokens-gt → anthropic: no (line 1; sticky: it keeps a conversation that it took)" in said
    as_json = explained(body, "--path", "/v1/messages", "--profile", "work")
    assert [rule["sticky"] for rule in as_json["rules"]] == ["session", None]


def test_splits_and_shadows_are_named(work: Path, tmp_path: Path) -> None:
    work.write_text((FIXTURES / "routing" / "good" / "split.toml").read_text())
    rest = "everything else is split: 50 % openai, 50 % passthrough"
    assert f"{work}: OK, 2 rules (2 split, 1 with a shadow), {rest}" in run("check", "--profile", "work").output
    listed = run("list", "--profile", "work").output
    first, second, *_ = listed.splitlines()[1:]
    assert first.split("  ")[-2].strip() == "20 % groq/llama-3.3-70b-versatile, 80 % anthropic"
    assert "tool-use → anthropic (copies to groq/llama-3.3-70b-versatile)" in second
    copies = "up to $2.50 a day, of 25 % of the conversations, none of more than 50,000 input tokens"
    assert listed.splitlines()[-2:] == ["Copies:", f"  {copies}"]
    rows = json.loads(run("list", "--profile", "work", "--json").output)
    assert [row["split"] for row in rows] == [
        {"groq/llama-3.3-70b-versatile": 0.2, "anthropic": 0.8},
        None,
        {"openai": 0.5, "passthrough": 0.5},
    ]
    assert [row["shadow"] for row in rows] == [None, "groq/llama-3.3-70b-versatile", None]
    assert [row["provider"] for row in rows] == [None, "anthropic", None]
    body = tmp_path / "request.json"
    body.write_text(
        json.dumps({**BODY, "tools": [{"name": "a"}], "messages": [{"role": "user", "content": "x " * 3000}]})
    )
    said = run("explain", body, "--path", "/v1/messages", "--profile", "work").output
    assert "a copy, once it is answered: groq/llama-3.3-70b-versatile" in said
    assert "; copies go to groq/llama-3.3-70b-versatile)" in said


def test_check_warns_of_a_shadow_without_a_key(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text('[[rule]]\nmatch.stream = true\nto = "anthropic"\nshadow = "groq"\n')
    *_, warning = run("check", file).output.splitlines()
    assert warning.startswith(f"warning: {file}:1: a shadow that gets no copies: the key of 'groq' is not set")


def test_check_of_a_profile_checks_what_holds_for_all(home: Path, config: Path) -> None:
    model = "model anthropic/claude-sonnet-4.6"
    result = run("check", "--profile", "plain")
    assert result.output.splitlines() == [
        f"{plain(home)}: not there, so there are no rules but 1 model route: "
        f"everything else goes to openrouter, {model}",
        f"{config}: OK, default provider openrouter, default {model}, 1 model route",
    ]
    plain(home).write_text('[[rule]]\nmatch.stream = true\nto = "groq"\n')
    first = run("check", "--profile", "plain").output.splitlines()[0]
    assert first == f"{plain(home)}: OK, 1 rule and 1 model route, everything else goes to openrouter, {model}"


RELIABILITY = """[reliability]
fallback_providers = ["anthropic", "groq"]
api_keys = ["${ANTHROPIC_KEY}"]
[reliability.model_fallbacks]
"anthropic/claude-sonnet-4.6" = ["anthropic/claude-haiku-4.5", "openai/gpt-4o"]
"""


@pytest.mark.usefixtures("home")
def test_check_counts_what_is_tried_and_warns_of_what_cannot_help(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(f"{CONFIG}{RELIABILITY}")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-x")
    *_, warning, last = run("check", "--profile", "plain").output.splitlines()
    assert last.endswith("1 model route, 1 further key, fallbacks of 1 model, fallback to anthropic, then groq")
    why = "a fallback that cannot help: the key of 'groq' is not set: GROQ_API_KEY or providers login groq"
    assert warning == f"warning: {config}:9: {why}"
    assert "not obeyed" not in run("check", "--profile", "plain").output


@pytest.mark.usefixtures("home")
def test_check_warns_of_other_providers_that_models_fall_back_to(config: Path) -> None:
    config.write_text(CONFIG.replace('"openrouter"', '"groq"') + RELIABILITY)
    found = [line for line in run("check", "--profile", "plain").output.splitlines() if "cannot help" in line]
    assert [line.split("'")[1] for line in found] == ["anthropic", "anthropic", "openai"]


def test_check_warns_of_a_rules_fallback(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    file = tmp_path / "r.toml"
    fallback = 'fallback = ["groq/m", "openai", "passthrough", "cloudflare"]'
    file.write_text(f'[[rule]]\nmatch.stream = true\nto = "anthropic"\n{fallback}\n[default]\nto = "groq"\n')
    result = run("check", file)
    assert result.exit_code == 0
    first, second = result.output.splitlines()[1:]
    assert first.startswith(f"warning: {file}:1: a fallback that cannot help: the key of 'groq' is not set")
    assert second.startswith(f"warning: {file}:1: a fallback that cannot help: provider 'cloudflare' needs")


def test_check_warns_of_keys_that_are_nobodys(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[reliability]\napi_keys = ["x"]\n')
    file.chmod(0o600)
    first, _ = run("check", file).output.splitlines()
    said = 'reliability.api_keys are of no use without a provider: default_provider = "…"'
    assert first == f"warning: {file}:1: {said}"


def test_explain_shows_what_is_tried_and_how_patiently(work: Path) -> None:
    work.write_text(
        '[[rule]]\nmatch.always = true\nto = "minimax"\nretries = 1\ntimeout-total-ms = 90_000\n'
        'fallback = ["groq/llama-3.3-70b-versatile", "cloudflare", "openrouter"]\n'
    )
    lines = run("explain", "-", "--profile", "work", stdin=json.dumps(BODY)).output.splitlines()
    assert (
        "  then, if it fails: groq/llama-3.3-70b-versatile, then openrouter/anthropic/claude-sonnet-4.5; "
        "up to 1 retry each, 500 ms doubling; time-outs: 90 s in all"
    ) in lines
    assert any(line.startswith("  left out: provider 'cloudflare' needs") for line in lines)
    said = explained("-", "--profile", "work", stdin=json.dumps(BODY))
    assert [link["provider"] for link in said["chain"]] == ["minimax", "groq", "openrouter"]
    assert (said["policy"]["retries"], said["policy"]["timeouts"]["total_ms"]) == (1, 90_000)


def test_explain_obeys_the_profile_and_the_settings(home: Path, work: Path) -> None:
    profile = Profile(name="work", provider="groq", fallback=("openrouter",), retries=0)
    save_profile(home_of({"RINGLET_HOME": str(home)}), profile)
    (home / "config.toml").write_text('[reliability]\nprovider_backoff_ms = 70\nfallback_providers = ["openai"]\n')
    said = explained("-", "--profile", "work", stdin=json.dumps(BODY))
    assert [link["provider"] for link in said["chain"]] == ["groq", "openrouter"]
    assert (said["policy"]["retries"], said["policy"]["backoff_ms"]) == (0, 70)


def test_check_warns_of_a_route_that_never_fires_and_of_keys(
    home: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_KEY")
    config.write_text(f'{CONFIG}[[model_routes]]\nhint = "claude-opus"\nprovider = "groq"\napi_key = "gsk_literal"\n')
    config.chmod(0o644)
    lines = run("check", "--profile", "plain").output.splitlines()
    never = "can never fire: the rule in line 5 of config.toml (model-route claude- → anthropic) already takes"
    assert lines[0].startswith(f"{config}:9: warning: model-route claude-opus → groq: {never}")
    assert lines[2:4] == [
        f"warning: {config}:8: model_routes.api_key: ANTHROPIC_KEY is not set where ringlet-mitm runs",
        f"warning: {config}: holds a key, and others on this machine may read it; run: chmod 600 {config}",
    ]
    assert "gsk_literal" not in "".join(lines)


def test_check_lists_every_error_of_the_settings(home: Path, config: Path) -> None:
    config.write_text(CONFIG.replace("openrouter", "openruoter", 1).replace("hint", "hnit"))
    for words in (("check", "--profile", "plain"), ("check", config)):
        result = run(*words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert [line.split(": ", 2)[1] for line in result.stderr.splitlines()] == [f"{config}:6"]
    config.write_text(CONFIG.replace('"openrouter"', '"openruoter"').replace('"anthropic"', '"antropic"'))
    assert len(run("check", "--profile", "plain").stderr.splitlines()) == 2


def test_check_of_another_config_file(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('default_provider = "claude"\napi_url = "https://gw.example"\n')
    assert run("check", file).output == f"{file}: OK, default provider anthropic, at https://gw.example\n"


def test_check_warns_of_a_provider_whose_url_needs_a_variable(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[[model_routes]]\nhint = "a"\nprovider = "cloudflare"\n')
    first, last = run("check", file).output.splitlines()
    assert first.startswith(f"warning: {file}:1: provider 'cloudflare")
    assert "CLOUDFLARE_ACCOUNT_ID" in first
    assert last == f"{file}: OK, 1 model route"


def test_list_has_rules_routes_and_the_default(home: Path, config: Path) -> None:
    plain(home).write_text('[[rule]]\nmatch.stream = true\nto = "groq/llama"\n')
    assert run("list", "--profile", "plain").output.splitlines() == [
        "#  RULE                             MODEL                        FROM",
        "1  stream → groq                    llama                        routing.toml:1",
        "2  model-route claude- → anthropic  as asked                     config.toml:5",
        "-  default → openrouter             anthropic/claude-sonnet-4.6  config.toml:1",
    ]
    said = json.loads(run("list", "--profile", "plain", "--json").output)
    assert [(row["rule"], row["provider"], row["line"]) for row in said] == [
        (1, "groq", 1),
        (2, "anthropic", 5),
        (None, "openrouter", 1),
    ]


def test_list_without_anything(home: Path) -> None:
    assert run("list").output.splitlines()[1:] == ["-  default → passthrough  as asked  -"]


def test_a_route_by_model_name_is_explained_with_its_place_and_key(home: Path, config: Path) -> None:
    body = json.dumps(BODY | {"model": "claude-haiku-4-5"})
    said = explained("-", "--profile", "plain", stdin=body)
    assert said["decision"]["label"] == "model-route claude- → anthropic"
    assert (said["rules"][0]["file"], said["rules"][0]["line"]) == (str(config), 5)
    leg = said["rewrite"][0]
    assert (leg["key"], leg["key_is_set"]) == ("config.toml:model_routes.0.api_key", True)
    output = run("explain", "-", "--profile", "plain", stdin=body).output
    assert "1. model-route claude- → anthropic: takes it (line 5 of config.toml)" in output
    assert "secretsecret" not in output


def test_a_profile_without_rules_is_not_told_of_routes(home: Path, config: Path) -> None:
    save_profile(home_of({"RINGLET_HOME": str(home)}), Profile(name="off", proxy="none"))
    said = explained("-", "--profile", "off", stdin=json.dumps(BODY))
    assert (said["rules"], said["decision"]["label"]) == ([], "default → passthrough")
