"""`service`: files for systemd and launchd."""

from __future__ import annotations

import plistlib
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ringlet_mitm.cli.main import group
from ringlet_mitm.cli.supervisors import Wanted, launchd, systemd
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile


class Machine:
    """A person's folder, and a home in it."""

    def __init__(self, folder: Path) -> None:
        self.person = folder / "person"
        self.person.mkdir()
        self.environ = {"HOME": str(self.person), "RINGLET_HOME": str(folder / "a home"), "XDG_CONFIG_HOME": ""}
        self.home = home_of(self.environ)
        save_profile(self.home, Profile(name="work", port=1))

    def __call__(self, *words: str) -> Result:
        return CliRunner(env=self.environ).invoke(group, ("service", *words))

    def files(self) -> list[Path]:
        return [path for path in self.person.rglob("*") if not path.is_dir()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("kind", "file", "begin", "end"),
    [
        (
            "systemd",
            ".config/systemd/user/ringlet-mitm-work.service",
            "systemctl --user enable --now ringlet-mitm-work.service",
            "systemctl --user stop ringlet-mitm-work.service",
        ),
        (
            "launchd",
            "Library/LaunchAgents/ringlet-mitm.work.plist",
            "launchctl bootstrap gui/$(id -u) '",
            "launchctl bootout gui/$(id -u)/ringlet-mitm.work",
        ),
    ],
)
def test_there_and_away(machine: Machine, kind: str, file: str, begin: str, end: str) -> None:
    path = machine.person / file
    printed = machine("install", "--kind", kind, "--print")
    assert (printed.exit_code, machine.files()) == (0, [])
    assert machine("status", "--kind", kind).exit_code == 1
    installed = machine("install", "--kind", kind)
    assert (installed.exit_code, machine.files()) == (0, [path])
    assert begin in installed.output
    assert path.read_text() == printed.output
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f"{path} is there\n" in machine("status", "--kind", kind).output
    path.write_text("of another version")
    assert "not as it would be written now" in machine("status", "--kind", kind).output
    removed = machine("uninstall", "--kind", kind)
    assert (removed.exit_code, machine.files()) == (0, [])
    assert end in removed.output
    assert machine("uninstall", "--kind", kind).exit_code != 0


def test_what_systemd_made_goes_too(machine: Machine) -> None:
    machine("install", "--kind", "systemd")
    (unit,) = machine.files()
    link = unit.parent / "default.target.wants" / unit.name
    link.parent.mkdir()
    link.symlink_to(unit)
    machine("uninstall", "--kind", "systemd")
    assert machine.files() == []
    assert not link.is_symlink()


ODD = ("/opt/a b/ring\\let$x%y", "serve", "--profile", "wörk-1")


def wanted(folder: Path) -> Wanted:
    places = {"RINGLET_HOME": f"{folder}/per cent%"}
    return Wanted("wörk-1", ODD, places, folder / "keys%", folder / "work.log")


def test_odd_names_in_a_unit(tmp_path: Path) -> None:
    made = systemd(wanted(tmp_path), {}, str(tmp_path))
    assert made.path.name == "ringlet-mitm-w\\xc3\\xb6rk\\x2d1.service"
    assert 'ExecStart="/opt/a b/ring\\\\let$$x%%y" serve --profile "wörk-1"\n' in made.text
    assert f'Environment="RINGLET_HOME={tmp_path}/per cent%%"\n' in made.text
    assert f"EnvironmentFile=-{tmp_path}/keys%%\n" in made.text
    assert made.begin[1] == f"systemctl --user enable --now '{made.path.name}'"


def test_odd_names_in_a_plist(tmp_path: Path) -> None:
    made = launchd(wanted(tmp_path), {}, str(tmp_path))
    said = plistlib.loads(made.text.encode())
    assert said["ProgramArguments"] == [*ODD, "--log", str(tmp_path / "work.log")]
    assert said["EnvironmentVariables"]["RINGLET_HOME"] == f"{tmp_path}/per cent%"
    assert (said["Umask"], said["KeepAlive"]) == (0o077, {"SuccessfulExit": False})


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_finds_nothing_wrong(machine: Machine, tmp_path: Path) -> None:
    machine("install", "--kind", "systemd")
    (unit,) = machine.files()
    environ = {"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(machine.person)}
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(unit)], env=environ, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
