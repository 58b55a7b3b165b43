"""An agent in the foreground, in a real terminal with a real shell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal import PROMPT, Terminal

from ringlet_mitm.addons.usage.running import is_running

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="terminals")

# Says what it hears; ends when it is told how.
AGENT = """
import os, select, signal, sys, termios, tty
def say(*words): print(*words, end="\\r\\n", flush=True)
def hear(number, frame):
    size = os.get_terminal_size(0)
    say("heard", signal.Signals(number).name, f"{size.columns}x{size.lines}" if number == signal.SIGWINCH else "")
for name in sys.argv[1].split(","):
    if name.startswith("SIG"): signal.signal(getattr(signal, name), hear)
if "raw" in sys.argv[1]: tty.setraw(0)
# A signal right before a read would be heard after it; the pipe wakes us.
woken, wakes = os.pipe()
os.set_blocking(wakes, False)
signal.set_wakeup_fd(wakes)
def lines():
    while True:
        if woken in select.select([0, woken], [], [])[0]:
            os.read(woken, 4096)
            continue
        said = os.read(0, 65536).decode()
        if not said: return
        yield from said.splitlines()
say("agent", os.getpid(), "of", os.getppid())
for line in lines():
    word, _, rest = line.strip().partition(" ")
    if word == "exit": sys.exit(int(rest))
    if word == "stop": os.kill(os.getpid(), signal.SIGSTOP)
    if word == "die": os.kill(os.getpid(), int(rest))
    say("done", line.strip())
"""
RUN = (
    "import os, sys\nfrom ringlet_mitm.cli.foreground import run_in_foreground\n"
    "sys.exit(run_in_foreground(sys.argv[1:], os.environ))\n"
)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "agent.py").write_text(AGENT)
    (tmp_path / "run.py").write_text(RUN)
    return tmp_path


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with Terminal(os.environ) as opened:
        yield opened


def words(folder: Path, how: str = "") -> str:
    return f"{sys.executable} {folder}/run.py {sys.executable} {folder}/agent.py '{how}'"


def begun(terminal: Terminal, folder: Path, how: str = "") -> tuple[int, int]:
    """Its process and ours."""
    terminal.line(words(folder, how))
    found = terminal.until(r"agent (\d+) of (\d+)")
    return int(found[1]), int(found[2])


def code(terminal: Terminal) -> int:
    """How the last command ended, said by the shell."""
    terminal.until(PROMPT)
    return int(terminal.answer("echo code=$?", r"code=(\d+)")[1])


def test_ctrl_c_is_the_agents(terminal: Terminal, script: Path) -> None:
    begun(terminal, script, "SIGINT")
    for _ in range(2):
        terminal.type("\x03")
        terminal.until("heard SIGINT")
    terminal.line("exit 5")
    assert code(terminal) == 5
    assert terminal.said.count("heard") == 2


@pytest.mark.parametrize(
    ("key", "number"), [("\x03", signal.SIGINT), ("\x1c", signal.SIGQUIT)], ids=["ctrl-c", "ctrl-backslash"]
)
def test_what_ends_the_agent(terminal: Terminal, script: Path, key: str, number: int) -> None:
    begun(terminal, script)
    terminal.type(key)
    assert code(terminal) == 128 + number


def test_ctrl_z_and_fg(terminal: Terminal, script: Path) -> None:
    begun(terminal, script)
    for _ in range(2):
        terminal.type("\x1a")
        terminal.until("Stopped")
        assert code(terminal) == 128 + signal.SIGTSTP
        terminal.line("fg")
        terminal.line("word")
        terminal.until("done word")
    terminal.line("exit 3")
    assert code(terminal) == 3


def test_an_agent_that_stops_itself(terminal: Terminal, script: Path) -> None:
    begun(terminal, script)
    terminal.line("stop")
    terminal.until("Stopped")
    assert code(terminal) == 128 + signal.SIGSTOP
    terminal.line("fg")
    terminal.until("done stop")
    terminal.line("exit 0")
    assert code(terminal) == 0


def test_only_we_are_told_to_go_on(terminal: Terminal, script: Path) -> None:
    _, ours = begun(terminal, script)
    terminal.line("stop")
    terminal.until("Stopped")
    os.kill(ours, signal.SIGCONT)
    terminal.until("done stop")
    # In the background it is stopped by what is typed, and that may be just after the shell let it go on.
    for _ in range(5):
        terminal.line("fg")
        terminal.type("hello\n")
        if terminal.until(r"^done hello|Stopped")[0] != "Stopped":
            break
    terminal.line("exit 0")
    assert code(terminal) == 0


def test_a_new_size(terminal: Terminal, script: Path) -> None:
    begun(terminal, script, "SIGWINCH")
    terminal.resize(100, 30)
    terminal.until("heard SIGWINCH 100x30")
    terminal.line("exit 0")
    assert code(terminal) == 0


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1"])
def test_what_is_sent_to_us_is_passed_on(terminal: Terminal, script: Path, name: str) -> None:
    _, ours = begun(terminal, script, name)
    os.kill(ours, getattr(signal, name))
    terminal.until(f"heard {name}")
    terminal.line("exit 0")
    assert code(terminal) == 0


def test_it_ends_as_the_agent_by_what_was_passed_on(terminal: Terminal, script: Path) -> None:
    _, ours = begun(terminal, script)
    os.kill(ours, signal.SIGTERM)
    assert code(terminal) == 128 + signal.SIGTERM


def test_the_terminal_is_as_before_when_the_agent_was_killed(terminal: Terminal, script: Path) -> None:
    agent, _ = begun(terminal, script, "raw")
    os.kill(agent, signal.SIGKILL)
    terminal.until(PROMPT)
    terminal.type("stty -a | tr ';' '\\n' | grep -wo -e '-*icanon'; echo code=$?\n")
    assert "-icanon" not in terminal.until(r"icanon\r+\ncode=0")[0]


def test_a_closed_window_ends_both(terminal: Terminal, script: Path) -> None:
    both = begun(terminal, script)
    terminal.hang_up()
    end = time.monotonic() + 20
    while any(is_running(pid) for pid in both) and time.monotonic() < end:
        time.sleep(0.01)
    assert not any(is_running(pid) for pid in both)


class TestWithoutATerminal:
    def begin(self, folder: Path, how: str = "") -> tuple[subprocess.Popen[str], int]:
        pipe = subprocess.PIPE
        command = [sys.executable, f"{folder}/run.py", sys.executable, f"{folder}/agent.py", how]
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
        assert process.stdout is not None
        return process, int(process.stdout.readline().split()[1])

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_every_signal_is_passed_on(self, script: Path, number: int) -> None:
        process, _ = self.begin(script)
        process.send_signal(number)
        process.communicate(timeout=20)
        assert process.returncode == 128 + number

    def test_pipes_are_the_agents(self, script: Path) -> None:
        process, _ = self.begin(script)
        out, _ = process.communicate("one\nexit 9\n", timeout=20)
        assert (out.split(), process.returncode) == (["done", "one"], 9)
