"""`doctor`: nothing is wrong on a machine where all is well, and each fault is told with what mends it."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from clients import StartProxy
from forking import ForkedProxy

from ringlet_mitm.addons.authority import authority_in, ensure, rotate
from ringlet_mitm.cli.background import running
from ringlet_mitm.cli.checks import local_vendor
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.cli.doctor import CHECKS, command
from ringlet_mitm.rules.agents import presets
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.interception import HostPolicy
from ringlet_mitm.rules.profiles import Profile, load_profile, save_profile
from ringlet_mitm.rules.variables import Point, variables_of

SECRET = "gsk_that-nobody-may-see"
RULES = '[[rule]]\nname = "small"\nmatch = { input-tokens-lt = 2000 }\nto = "groq"\n\n[default]\nto = "passthrough"\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A machine where all is well: Claude Code, a profile with a rule, its key, an authority; no proxy runs."""
    for name in list(os.environ):
        upper = name.upper()
        if upper.endswith(("_KEY", "_TOKEN", "_HOST", "_URL", "_PROXY")) or "CERT" in upper or upper.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path))
    monkeypatch.setenv("GROQ_API_KEY", SECRET)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("ringlet_mitm.addons.installed_agents.USUAL", ())
    monkeypatch.setattr(local_vendor, "RunningProxy", ForkedProxy)
    (program := tmp_path / "bin" / "claude").parent.mkdir()
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    found = home_of(os.environ)
    save_profile(found, Profile(name="work", port=_free_port()))
    found.routing_file("work").write_text(RULES)
    ensure(found.ca_dir, HostPolicy.of(presets()).hosts)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`only("keys", …)`: these checks and what they need, so that each test takes a moment."""

    def choose(*names: str) -> None:
        wanted = {"profile", "config", "rules", "authority", *names}
        monkeypatch.setattr("ringlet_mitm.cli.doctor.CHECKS", tuple(one for one in CHECKS if one.name in wanted))

    return choose


def examined(*words: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The exit code, and the findings by check."""
    done = CliRunner().invoke(command, ["--json", *words], catch_exceptions=False)
    assert SECRET not in done.output
    found: dict[str, list[dict[str, Any]]] = {}
    for one in json.loads(done.output)["checks"]:
        found.setdefault(one["check"], []).append(one)
    return done.exit_code, found


def test_all_is_well(home: Home) -> None:
    code, found = examined("--profile", "work")
    states = {(name, one["state"]) for name, findings in found.items() for one in findings}
    assert code == 0
    assert list(found) == [check.name for check in CHECKS]
    assert {name for name, state in states if state != "ok"} == {"signing", "store"}  # no proxy, and no store
    assert "a request to api.anthropic.com came through the proxy" in found["agents"][0]["words"]


def test_for_people(home: Home, only: Callable[..., None]) -> None:
    only("keys", "port")
    home.routing_file("work").write_text(RULES.replace("groq", "openai"))
    done = CliRunner().invoke(command)
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert f"ok      profile    {home.profile_file('work')}" in lines
    at = lines.index("BROKEN  keys       openai: not set: OPENAI_API_KEY or providers login openai (small → openai)")
    assert lines[at + 1].strip() == "mend it:  export OPENAI_API_KEY=…  or  ringlet-mitm providers login openai"
    assert lines[-1] == "1 broken, 0 warnings"


def _rules(text: str) -> Callable[[Home], None]:
    return lambda home: home.routing_file("work").write_text(text) and None


def _mode(home: Home) -> None:
    authority_in(home.ca_dir).key.chmod(0o644)


def _other_certificate(home: Home) -> None:
    rotate(home.ca_dir / "other", ["a.test"])
    authority_in(home.ca_dir).certificate.write_bytes(authority_in(home.ca_dir / "other").certificate.read_bytes())


def _other_key(home: Home) -> None:
    rotate(home.ca_dir / "other", ["a.test"])
    end = "-----END PRIVATE KEY-----\n"
    theirs = authority_in(home.ca_dir / "other").key.read_text().partition(end)
    ours = authority_in(home.ca_dir).key.read_text().partition(end)
    authority_in(home.ca_dir).key.write_text("".join((*theirs[:2], ours[2])))


def _fewer_hosts(home: Home) -> None:
    rotate(home.ca_dir, ["api.anthropic.com"])


def _without_bundle(home: Home) -> None:
    authority_in(home.ca_dir).bundle.unlink()


def _old_bundle(home: Home) -> None:
    file = authority_in(home.ca_dir).bundle
    file.write_bytes(file.read_bytes()[10:])


def _no_authority(home: Home) -> None:
    for file in home.ca_dir.iterdir():
        file.unlink()


def _garbage(home: Home) -> None:
    home.data.mkdir(parents=True)
    home.database.write_bytes(b"no database" * 1000)


def _config(text: str) -> Callable[[Home], None]:
    def write(home: Home) -> None:
        home.config_file.write_text(text)
        home.config_file.chmod(0o644)

    return write


FAULTS: dict[str, tuple[Callable[[Home], None], str, str, str, str]] = {
    "a rule that is wrong": (
        _rules("[[rule]]\n"),
        "rules",
        "broken",
        "is missing",
        "ringlet-mitm rules check --profile work",
    ),
    "a rule that never fires": (
        _rules('[[rule]]\nmatch = { always = true }\nto = "groq"\n' + RULES),
        "rules",
        "warning",
        "can never fire",
        "ringlet-mitm rules check --profile work",
    ),
    "a key of a fallback": (
        _rules('[default]\nto = "groq"\nfallback = ["openai"]\n'),
        "keys",
        "warning",
        "openai: not set",
        "export OPENAI_API_KEY=…  or  ringlet-mitm providers login openai",
    ),
    "a key of a rule that can fall back": (
        _rules('[default]\nto = "openai"\nfallback = ["passthrough"]\n'),
        "keys",
        "warning",
        "openai: not set",
        "export OPENAI_API_KEY=…  or  ringlet-mitm providers login openai",
    ),
    "config.toml": (_config("nonsense = 1\n"), "config", "broken", "nonsense", "ringlet-mitm rules check"),
    "a key that others can read": (
        _config('default_provider = "groq"\napi_key = "gsk_x"\n'),
        "config",
        "warning",
        "others on this machine may read it",
        "chmod 600",
    ),
    "a CA key that others can read": (_mode, "authority", "broken", "others on this machine", "chmod 600 "),
    "a CA key of another": (_other_key, "authority", "broken", "another key", "ringlet-mitm ca rotate"),
    "a certificate of another": (
        _other_certificate,
        "authority",
        "broken",
        "not the certificate",
        "ringlet-mitm ca show",
    ),
    "a CA that lacks hosts": (_fewer_hosts, "authority", "warning", "does not speak for", "ringlet-mitm ca show"),
    "no bundle": (_without_bundle, "bundle", "broken", "is not there", "ringlet-mitm ca show"),
    "a bundle that is not whole": (_old_bundle, "bundle", "broken", "as they are now", "ringlet-mitm ca show"),
    "a ledger that is none": (_garbage, "ledger", "broken", "usage.duckdb", "mv "),
}


@pytest.mark.parametrize(("break_it", "check", "state", "words", "mend"), FAULTS.values(), ids=FAULTS)
def test_faults(
    home: Home,
    only: Callable[..., None],
    break_it: Callable[[Home], None],
    check: str,
    state: str,
    words: str,
    mend: str,
) -> None:
    only(check)
    break_it(home)
    code, found = examined("--profile", "work")
    told = [one for one in found[check] if one["state"] == state]
    assert words in told[0]["words"]
    assert told[0]["mend"].startswith(mend)
    assert code == (1 if state == "broken" else 0)


def test_what_mends_the_authority_does(home: Home, only: Callable[..., None]) -> None:
    """`ca show` makes what is missing, as each start does."""
    only("bundle")
    _fewer_hosts(home)
    _without_bundle(home)
    ensure(home.ca_dir, HostPolicy.of(presets()).hosts)
    code, found = examined("--profile", "work")
    assert code == 0
    assert [one["state"] for one in (*found["authority"], *found["bundle"])] == ["ok", "ok"]


def test_before_the_first_start(home: Home) -> None:
    """It makes nothing of its own in the person's home, and tries the agents all the same."""
    _no_authority(home)
    before = sorted(home.config.rglob("*"))
    code, found = examined("--profile", "work")
    assert code == 0
    assert found["authority"][0]["state"] == "skipped"
    assert found["agents"][0]["state"] == "ok"
    assert sorted(home.config.rglob("*")) == before


def test_without_a_profile(tmp_path: Path, only: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    only("keys")
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path))
    code, found = examined()
    assert code == 1
    assert found["profile"][0]["mend"] == "ringlet-mitm init"
    assert found["keys"][0] == {
        "check": "keys",
        "state": "skipped",
        "words": "not looked at, because of profile and rules",
        "mend": None,
    }


def test_a_profile_of_another_name(home: Home, only: Callable[..., None]) -> None:
    only()
    code, found = examined("--profile", "wrok")
    assert (code, "did you mean 'work'" in found["profile"][0]["words"]) == (1, True)


@pytest.mark.usefixtures("home")
def test_which_of_several_has_to_be_said() -> None:
    save_profile(home_of(os.environ), Profile(name="private"))
    with pytest.raises(UsageError, match="--profile; there are private, work"):
        examined()


class TestPort:
    def test_somebody_elses(self, home: Home, only: Callable[..., None]) -> None:
        only("port")
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            save_profile(home, Profile(name="work", port=port))
            code, found = examined("--profile", "work")
        assert code == 1
        assert f"(process {os.getpid()})" in found["port"][0]["words"]
        assert found["port"][0]["mend"].startswith("ringlet-mitm profiles set work --port ")

    def test_another_profiles(self, start_proxy: StartProxy, home: Home, only: Callable[..., None]) -> None:
        only("port")
        proxy = start_proxy()
        save_profile(home, Profile(name="other", port=proxy.port))
        _, found = examined("--profile", "other")
        assert f"the proxy of profile 'work' (process {proxy.pid})" in found["port"][0]["words"]


class TestRunning:
    """With a proxy that runs, in the same home."""

    @pytest.fixture
    def proxy(self, start_proxy: StartProxy, home: Home, only: Callable[..., None]) -> ForkedProxy:
        only("port", "signing", "shell", "NO_PROXY", "ledger")
        found = start_proxy(RULES)
        assert isinstance(found, ForkedProxy)
        assert _holds(lambda: running(home, load_profile(home, "work")) is not None), (
            "its snapshot comes a little later"
        )
        return found

    @pytest.fixture
    def shell(self, proxy: ForkedProxy, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        """As after `eval "$(ringlet-mitm env)"`."""
        files = authority_in(home.ca_dir)
        for name, value in variables_of(None, Point(proxy.url, files.certificate, files.bundle), os.environ).items():
            monkeypatch.setenv(name, value)

    def test_it_is_found_and_speaks_with_our_certificate(self, proxy: ForkedProxy, vendor: Vendor) -> None:
        before = vendor.connections
        code, found = examined("--profile", "work")
        assert code == 0
        assert f"{proxy.url} (process {proxy.pid})" in found["port"][0]["words"]
        assert found["signing"][0]["words"] == "the proxy that runs speaks for api.anthropic.com with it"
        assert vendor.connections == before, "nothing is sent anywhere"
        assert "nothing is set in this shell" in found["shell"][0]["words"]

    def test_one_that_signs_with_an_older_key(self, proxy: ForkedProxy, home: Home) -> None:
        rotate(home.ca_dir, HostPolicy.of(presets()).hosts)
        code, found = examined("--profile", "work")
        assert (code, found["signing"][0]["state"]) == (1, "broken")
        assert found["signing"][0]["mend"] == "ringlet-mitm stop --profile work && ringlet-mitm start --profile work"

    @pytest.mark.usefixtures("shell")
    def test_a_shell_that_leads_to_it(self, proxy: ForkedProxy, monkeypatch: pytest.MonkeyPatch) -> None:
        assert examined("--profile", "work")[1]["shell"][0]["words"].startswith(f"its variables lead to {proxy.url}")
        monkeypatch.setenv("NO_PROXY", ".anthropic.com")
        code, found = examined("--profile", "work")
        assert (code, found["NO_PROXY"][0]["state"]) == (1, "broken")
        assert found["NO_PROXY"][0]["mend"] == 'eval "$(ringlet-mitm env --profile work)"'

    @pytest.mark.usefixtures("shell")
    def test_a_shell_without_the_certificate(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NODE_EXTRA_CA_CERTS")
        assert examined("--profile", "work")[1]["shell"][0]["words"] == "NODE_EXTRA_CA_CERTS is not set"

    @pytest.mark.usefixtures("shell")
    def test_a_shell_that_leads_to_nobody(self, proxy: ForkedProxy, home: Home) -> None:
        save_profile(home, Profile(name="work", port=proxy.port))
        proxy.stop()
        _, found = examined("--profile", "work")
        assert (found["shell"][0]["state"], found["shell"][0]["mend"]) == (
            "broken",
            "ringlet-mitm start --profile work",
        )

    @pytest.mark.usefixtures("proxy")
    def test_a_shell_behind_an_office_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("https_proxy", "http://me:secret@office:3128")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://llm.example.com")
        code, found = examined("--profile", "work")
        told = {one["mend"]: one["words"] for one in found["shell"]}
        assert code == 0
        assert "ANTHROPIC_BASE_URL" in told["unset ANTHROPIC_BASE_URL"]
        assert "http://…@office:3128" in told["ringlet-mitm run --profile work -- claude"]


class TestAgents:
    """`--agents` runs them; a program of a few lines stands for one here, make test-agents has the real ones."""

    @pytest.fixture
    def agent(self, home: Home, only: Callable[..., None], tmp_path: Path) -> Iterator[Callable[[str], None]]:
        only("agents")
        program = tmp_path / "bin" / "claude"
        yield lambda script: (program.write_text(f"#!/bin/sh\n{script}\n"), None)[1]

    CALL = (
        'curl -s --cacert "$NODE_EXTRA_CA_CERTS" https://api.anthropic.com/v1/messages '
        '-H "x-api-key: $ANTHROPIC_API_KEY" '
        """-d '{"model":"m","max_tokens":9,"messages":[]}' >/dev/null || exit 3\n"""
    )

    def test_one_that_works(self, agent: Callable[[str], None], tmp_path: Path) -> None:
        agent(f'{self.CALL}echo "$HOME $ANTHROPIC_API_KEY $GROQ_API_KEY $*" > {tmp_path / "said"}')
        code, found = examined("--profile", "work", "--agents")
        home, key, *words = (tmp_path / "said").read_text().split()
        assert (code, found["agents"][0]["state"]) == (0, "ok")
        assert "1 request came through" in found["agents"][0]["words"]
        assert home != str(tmp_path), "nothing of the person's is there for it"
        assert key == "sk-ant-of-the-doctor-and-no-key"
        assert words[0] == "-p"

    def test_one_that_passes_by(self, agent: Callable[[str], None]) -> None:
        agent("echo cannot connect; exit 7")
        code, found = examined("--profile", "work", "--agents")
        assert (code, found["agents"][0]["state"]) == (1, "broken")
        assert "ended with code 7, and nothing came through the proxy; it said: cannot" in found["agents"][0]["words"]

    def test_one_that_fails_otherwise(self, agent: Callable[[str], None]) -> None:
        agent(f"{self.CALL}exit 1")
        assert examined("--profile", "work", "--agents")[1]["agents"][0]["state"] == "warning"

    def test_one_that_does_not_end_is_ended(
        self, agent: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr("ringlet_mitm.cli.checks.agents.AGENT_S", 0.3)
        agent(f"sleep 60 & echo $! > {tmp_path / 'pid'}; wait")
        _, found = examined("--profile", "work", "--agents")
        assert "did not end within" in found["agents"][0]["words"]
        pid = int((tmp_path / "pid").read_text())
        assert _holds(lambda: _has_ended(pid)), "and what it started"

    def test_no_agent_at_all(self, home: Home, only: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
        only("agents")
        monkeypatch.setenv("PATH", "")
        code, found = examined("--profile", "work")
        assert (code, found["agents"][0]["mend"]) == (0, "npm install -g @anthropic-ai/claude-code")


def _has_ended(pid: int) -> bool:
    """What nobody has waited for yet counts as ended."""
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or ") Z " in stat.read_text()


def _holds(condition: Callable[[], bool]) -> bool:
    """Whether it does within some seconds."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if condition():
            return True
        os.sched_yield()
    return False
