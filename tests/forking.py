"""Our program in processes that need not import it first: a server has done that, and forks one for each.

Importing it takes a second of a core, and the tests start hundreds of proxies and commands. What runs is the program
itself, from its command line on; that it starts from nothing as well is tested in test_main.py and test_entry.py.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from multiprocessing import forkserver, get_context
from multiprocessing.reduction import DupFd
from pathlib import Path
from shutil import copytree, rmtree
from tempfile import mkdtemp
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

from ringlet_mitm.addons.price_cache import catalogue
from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.main import main
from ringlet_mitm.rules.home import home_of

# The last of them leaves nothing to be looked at for garbage again.
PRELOADED = (
    "forking",
    "ringlet_mitm.addons.master",
    "ringlet_mitm.addons.usage.history",
    "ringlet_mitm.addons.usage.reports",
    "ringlet_mitm.cli.profiles",
    "ringlet_mitm.cli.proxy",
    "ringlet_mitm.cli.usage.commands",
    "ringlet_mitm.cli.usage.report",
    "known_already",
)
PATIENCE_S = 60


@cache
def server() -> Any:
    """The context whose processes are forked; the server finds what it imports of the tests'."""
    context = get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED])
    with patch.dict(os.environ, {"PYTHONPATH": str(Path(__file__).parent)}):
        forkserver.ensure_running()
    return context


class Forked:
    """As much of `subprocess.Popen` as the tests need, `stderr` only where it is told apart.

    `constants` are such of our modules that have other values there, by their full names: what it waits for, mostly.
    """

    def __init__(
        self,
        words: list[str],
        environ: Mapping[str, str],
        *,
        apart: bool = False,
        constants: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self.args = words
        reading, writing = os.pipe()
        errors_reading, errors_writing = os.pipe() if apart else (None, writing)
        ends = (DupFd(writing), DupFd(errors_writing))
        told = (words, dict(environ), str(Path.cwd()), dict(constants))
        self._process = server().Process(target=_become, args=(*told, *ends))
        self._process.start()
        os.close(writing)
        self.stdout = os.fdopen(reading, encoding="utf-8")
        self.stderr = None
        if errors_reading is not None:
            os.close(errors_writing)
            self.stderr = os.fdopen(errors_reading, encoding="utf-8")

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code once it has ended; raises TimeoutExpired."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self._process.exitcode

    def terminate(self) -> None:
        """SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def ended(self) -> subprocess.CompletedProcess[str]:
        """All that it says, and its exit code."""
        said: list[str] = []
        errors = threading.Thread(target=lambda: said.append(self.stderr.read() if self.stderr else ""))
        errors.start()
        out = self.stdout.read()
        errors.join()
        return subprocess.CompletedProcess(self.args, self.wait(PATIENCE_S), out, said[0])


class ForkedProxy(RunningProxy):
    """A proxy, and its commands, of the server's making; it finds the price library read already."""

    def __init__(
        self, home: Path, *rest: Any, constants: Mapping[str, float] = MappingProxyType({}), **options: Any
    ) -> None:
        self._constants = constants
        place = home_of({"RINGLET_HOME": str(home)})
        place.price_cache.parent.mkdir(parents=True, exist_ok=True)
        if not place.price_cache.exists():
            copytree(_prices(), place.price_cache)
        super().__init__(home, *rest, **options)

    def _launched(self, words: list[str]) -> Any:
        return Forked(words, self.environ, constants=self._constants)

    def run(self, *words: str) -> str:
        """Another command of ours in the same home; raises CalledProcessError where it fails."""
        done = run(*words, environ=self.environ)
        done.check_returncode()
        return done.stdout


def run(*words: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """A command of ours with these variables and no others, to its end."""
    return Forked([*words], environ, apart=True).ended()


@cache
def _prices() -> Path:
    """A folder with what is taken from the price library, for the life of this process."""
    home = home_of({"RINGLET_HOME": mkdtemp(prefix="ringlet-prices-")})
    atexit.register(rmtree, home.cache.parent, ignore_errors=True)
    catalogue(home)
    return home.price_cache


def _become(
    words: list[str], environ: dict[str, str], folder: str, constants: dict[str, float], out: Any, errors: Any
) -> None:
    os.dup2(out.detach(), 1)
    os.dup2(errors.detach(), 2)
    sys.stdout.reconfigure(line_buffering=True)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    os.chdir(folder)
    for name, value in constants.items():
        module, _, constant = name.rpartition(".")
        assert hasattr(import_module(module), constant), name
        setattr(import_module(module), constant, value)
    sys.argv[1:] = words
    main()
