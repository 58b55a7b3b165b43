"""The proxy beside an agent: taken or started before it, looked after while it runs, and stopped behind the last one.

Agents that are started at the same time share one proxy of their profile. Who comes and who goes holds the profile's
lock meanwhile (addons/leases.py), so that the last one is known to be the last.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Event, Thread

from msgspec import ValidationError, convert

from ringlet_mitm.addons.leases import Busy, Leases, Lock
from ringlet_mitm.addons.usage.snapshot import Snapshot, Sums, file_of, read
from ringlet_mitm.cli.background import Launch, NotStarted, NotStopped, Running, is_alive, launched, proxies, stop
from ringlet_mitm.cli.proxy_health import Instead, ask
from ringlet_mitm.cli.proxy_log import log_file
from ringlet_mitm.rules.home import Home

PERIOD_S = 0.5
# What is still under way when the last agent has gone is nobody's any more.
DRAIN_S = 3.0
# A proxy that ends as often within this time is not started again.
OFTEN, WITHIN_S = 3, 60.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What a proxy answered while an agent ran.

    `shared` says that other agents had part in it; it is not `whole` where a proxy was killed before it had told all.
    """

    sums: Sums
    shared: bool = False
    whole: bool = True


@dataclass
class Sidecar:
    """One agent's hold on the proxy of its profile; `agent` is how it is called, `say` tells the person something."""

    home: Home
    profile: str
    agent: str
    launch: Launch
    environ: Mapping[str, str]
    say: Callable[[str], None]
    _proxy: Running | None = None
    _lease: Lock | None = None
    _before: Sums = field(default_factory=Sums)
    _of_dead_ones: list[Sums] = field(default_factory=list)
    _shared: bool = False
    _over: Event = field(default_factory=Event)
    _watching: Thread | None = None
    _ends: list[float] = field(default_factory=list)

    @property
    def proxy(self) -> Running:
        """Where the agent is led; valid behind `attach`."""
        assert self._proxy is not None
        return self._proxy

    def attach(self) -> Running:
        """The profile's proxy, which from now on does not end before `detach`. Raises NotStarted, and Busy."""
        leases = Leases(self.home, self.profile)
        with leases.locked():
            self._lease = leases.take(self.agent)
            found = next(iter(proxies(self.home, self.profile)), None)
            if found is None:
                found = self._launched()
            else:
                self._shared = len(leases.held()) > 1
                self._before = _answered(found) or Sums()
        self._proxy = found
        self._watching = Thread(target=self._watch, name="looking after the proxy", daemon=True)
        self._watching.start()
        return found

    def _launched(self) -> Running:
        """A new one at the profile's own port, so that what agents leave running finds the next one; else at another.

        The proxy looks itself whether its port is free, but somebody else may be there a moment later.
        """
        launch = replace(self.launch, borrowed=True)
        try:
            return launched(self.home, self.profile, launch, self.environ)
        except NotStarted as error:
            if launch.port is not None or os.strerror(errno.EADDRINUSE).lower() not in str(error).lower():
                raise
        return launched(self.home, self.profile, replace(launch, port=0), self.environ)

    def detach(self) -> Spent:
        """Let go of it, and stop it where nobody else uses it and it was started for agents; what was spent."""
        self._over.set()
        if self._watching is not None:
            self._watching.join()
        leases = Leases(self.home, self.profile)
        stopped = False
        try:
            with leases.locked():
                if self._lease is not None:
                    self._lease.remove()
                others = leases.held()
                self._shared = self._shared or bool(others)
                if not others and leases.is_borrowed(self.proxy.pid) and is_alive(self.proxy) and not self._left():
                    stop(self.proxy, drain_s=DRAIN_S)
                    stopped = True
        except (Busy, NotStopped) as error:
            self.say(str(error))
        return self._spent(stopped)

    def _left(self) -> bool:
        """Whether the agent has left programs behind that need the proxy, which is said; it then ends after them."""
        from ringlet_mitm.cli.left_running import ENDING_S, ending, left_running, named

        left = left_running(self.environ, self.proxy.url, patience_s=ENDING_S)
        if left:
            goes_on = "goes on" if len(left) == 1 else "go on"
            end = f"{ending(left)}; ringlet-mitm stop --profile {self.profile}"
            self.say(f"{named(left)} {goes_on} behind {self.agent}, and the proxy with it; to end all:  {end}")
        return bool(left)

    def _spent(self, stopped: bool) -> Spent:
        said = None if stopped else _answered(self.proxy)
        if said is None and (last := self._snapshot(self.proxy)):
            said = last.since_start
        sums = [*self._of_dead_ones, *([_less(said, self._before)] if said else [])]
        return Spent(sum(sums, Sums()), self._shared, whole=not self._ends)

    def _snapshot(self, proxy: Running) -> Snapshot | None:
        return read(file_of(self.home.snapshots_dir, self.profile, proxy.pid))

    def _watch(self) -> None:
        while not self._over.wait(PERIOD_S):
            if not is_alive(self.proxy):
                self._lost()

    def _lost(self) -> None:
        """The proxy has ended under the agent: what ended in order was meant to, anything else is started again."""
        said = self._snapshot(self.proxy)
        if said is not None:
            self._of_dead_ones.append(_less(said.since_start, self._before))
        self._before = Sums()
        again = f"ringlet-mitm start --profile {self.profile} --port {self.proxy.port}"
        if said is not None and not said.running:
            self.say(f"the proxy was stopped, and the agent cannot reach its models; start it again:  {again}")
            self._await()
        elif self._too_often():
            log = log_file(self.home, self.profile)
            self.say(f"the proxy ends again and again; {log} says why. Start it again:  {again}")
            self._await()
        else:
            self._start_again(again)

    def _start_again(self, by_hand: str) -> None:
        launch = replace(self.launch, port=self.proxy.port, borrowed=True)
        try:
            with Leases(self.home, self.profile).locked():
                found = self._at_same_port()
                if found is None:
                    found = launched(self.home, self.profile, launch, self.environ)
        except (NotStarted, Busy) as error:
            self.say(f"{error}; start it again:  {by_hand}")
            self._await()
            return
        self._proxy = found
        if len(self._ends) == 1:
            self.say(f"the proxy ended unexpectedly; started again at {found.url}")

    def _too_often(self) -> bool:
        now = time.monotonic()
        self._ends.append(now)
        return sum(now - then < WITHIN_S for then in self._ends) > OFTEN

    def _await(self) -> None:
        """Until a person, or another agent, has started one at the same port."""
        while not self._over.wait(PERIOD_S):
            found = self._at_same_port()
            if found is not None:
                self._proxy = found
                self._before = _answered(found) or Sums()
                return

    def _at_same_port(self) -> Running | None:
        return next((one for one in proxies(self.home, self.profile) if one.port == self.proxy.port), None)


def _answered(proxy: Running) -> Sums | None:
    """What it has answered since it began, in its own words; None where it does not say."""
    host, _, port = proxy.url.removeprefix("http://").rpartition(":")
    health = ask(host.strip("[]"), int(port), login=proxy.login)
    with suppress(KeyError, ValidationError):
        return None if isinstance(health, Instead) else convert(health["since_start"], Sums)
    return None


def _less(now: Sums, before: Sums) -> Sums:
    # The last snapshot of a killed one may be a second older than what it has said before.
    return Sums(*(max(getattr(now, name) - getattr(before, name), 0) for name in Sums.__struct_fields__))
