"""`run`: real proxies beside programs that do what an agent does, in processes and in a terminal."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clients import KEYS
from terminal import PROMPT, Terminal

from ringlet_mitm.addons.usage.snapshot import file_of, read
from ringlet_mitm.cli import background
from ringlet_mitm.cli.background import Running
from ringlet_mitm.cli.demo.stage import environment, program
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

# Asks once, as an agent does, for each line that it reads; ends when told how.
AGENT = r"""
echo "proxy $HTTPS_PROXY"
while read -r word code; do
  [ "$word" = exit ] && exit "$code"
  [ "$word" = leave ] && { setsid sleep 1000 <&- >&- 2>&- & echo "left $!"; continue; }
  status=$(curl -sS -m 20 --cacert "$SSL_CERT_FILE" -o answer.json -w '%{http_code}' \
    -H 'content-type: application/json' -H 'anthropic-version: 2023-06-01' -H 'x-api-key: sk-ant-of-the-agent' \
    -d '{"model": "claude-opus-4-8", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}' \
    https://api.anthropic.com/v1/messages)
  echo "answered $status"
done
"""
WORK = Profile(name="work")


class Place:
    """A home with a profile that has one key, a person's folder, and a program that is no agent we know."""

    def __init__(self, folder: Path, vendor: Vendor) -> None:
        self.home: Home = home_of({"RINGLET_HOME": str(folder / "home")})
        self.person = folder / "person"
        self.person.mkdir()
        self.agent = folder / "agent.sh"
        self.agent.write_text(AGENT)
        self.environ = {**environment(folder / "home", KEYS), "HOME": str(self.person)}
        self.environ.pop("NO_PROXY", None)
        detours = [word for detour in vendor.connect_to for word in ("--connect-to", detour)]
        self.options = [*detours, "--upstream-ca", str(vendor.ca_file)]

    def words(self, *more: str) -> list[str]:
        return program("run", *more, "--profile", "work", *self.options, "--", "bash", str(self.agent))

    def run(self, *more: str) -> Run:
        return Run(self.words(*more), self.environ, self.person.parent)

    def running(self) -> Running | None:
        return background.running(self.home, WORK)


class Run:
    """One `run`."""

    def __init__(self, words: list[str], environ: dict[str, str], folder: Path) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            words, env=environ, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )
        self.url = self.line().removeprefix("proxy ")

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def ask(self) -> str:
        self.say("ask")
        return self.line()

    def end(self, code: int = 0) -> list[str]:
        """What it has said on stderr."""
        _, errors = self.process.communicate(f"exit {code}\n", timeout=60)
        assert self.process.returncode == code
        return errors.splitlines()


@pytest.fixture
def place(tmp_path: Path, vendor: Vendor) -> Iterator[Place]:
    made = Place(tmp_path, vendor)
    yield made
    for one in background.proxies(made.home, "work"):
        os.kill(one.pid, signal.SIGKILL)


def until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.02)


def counted(place: Place, proxy: Running) -> int:
    """What is in its snapshot."""
    said = read(file_of(place.home.snapshots_dir, "work", proxy.pid))
    return said.since_start.requests if said else 0


def test_one_agent(place: Place) -> None:
    run = place.run()
    proxy = place.running()
    assert proxy is not None
    assert run.url == proxy.url
    assert [run.ask(), run.ask()] == ["answered 200"] * 2
    said = run.end(7)
    assert said[0].startswith("ringlet-mitm: profile 'work' is new")
    assert re.fullmatch(r"ringlet-mitm: 2 requests, \$0\.\d+", said[-1])
    assert place.running() is None
    (log,) = place.home.log_dir.iterdir()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    # B-007, A-044: led by variables, and no file of the agent's or the person's is touched.
    assert list(place.person.iterdir()) == []


def test_two_share_one_and_the_last_stops_it(place: Place) -> None:
    first = place.run()
    second = place.run()
    assert first.url == second.url
    assert second.ask() == "answered 200"
    assert first.end()[-1].endswith(" (by all agents of 'work' meanwhile)")
    assert place.running() is not None
    assert second.ask() == "answered 200"
    assert second.end()[-1].endswith(" (by all agents of 'work' meanwhile)")
    assert place.running() is None


def test_the_profiles_own_port_if_it_is_free(place: Place) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        save_profile(place.home, Profile(name="work", port=port))
        other.listen()
        run = place.run("--quiet")
        assert run.url != f"http://127.0.0.1:{port}"
        run.end()
    run = place.run("--quiet")
    assert run.url == f"http://127.0.0.1:{port}"
    run.end()


def test_the_proxy_stays_as_long_as_what_an_agent_has_left(place: Place) -> None:
    run = place.run()
    run.say("leave")
    pid = int(run.line().removeprefix("left "))
    try:
        said = run.end()[-1]
        end = f"kill {pid}; ringlet-mitm stop --profile work"
        assert said == f"ringlet-mitm: sleep ({pid}) goes on behind bash, and the proxy with it; to end all:  {end}"
        proxy = place.running()
        assert proxy is not None
        again = place.run()
        assert again.url == run.url
        again.end()
        assert place.running() == proxy
    finally:
        os.kill(pid, signal.SIGKILL)
    until(lambda: place.running() is None)


def test_a_run_that_is_killed_leaves_no_proxy_behind_its_agent(place: Place) -> None:
    run = place.run("--quiet")
    run.process.kill()
    assert run.ask() == "answered 200"
    run.say("exit 0")
    until(lambda: place.running() is None)


def test_a_proxy_that_dies_is_started_again(place: Place) -> None:
    run = place.run()
    assert run.ask() == "answered 200"
    proxy = place.running()
    assert proxy is not None
    until(lambda: counted(place, proxy) == 1)
    os.kill(proxy.pid, signal.SIGKILL)
    until(lambda: (now := place.running()) is not None and now.pid != proxy.pid)
    assert run.ask() == "answered 200"
    said = run.end()[2:]
    assert said[0] == f"ringlet-mitm: the proxy ended unexpectedly; started again at {run.url}"
    assert said[1].startswith("ringlet-mitm: at least 2 requests, $")
    assert place.running() is None


def test_in_a_terminal(place: Place) -> None:
    """Ctrl-C is the agent's, and the proxy hears nothing of it; Ctrl-Z and fg."""
    with Terminal(place.environ) as terminal:
        terminal.line(f"cd {place.person}; {' '.join(place.words())}")
        terminal.until("proxy http")
        terminal.type("\x1a")
        terminal.until("Stopped")
        terminal.until(PROMPT)
        assert place.running() is not None
        terminal.line("fg")
        terminal.line("ask")
        terminal.until("answered 200")
        terminal.type("\x03")
        terminal.until(r"ringlet-mitm: 1 request, \$0\.\d+")
        terminal.until(PROMPT)
        terminal.type("echo code=$?\n")
        assert terminal.until(r"code=(\d+)")[1] == "130"
    assert place.running() is None
