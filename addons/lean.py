"""mitmproxy's Master with only what a proxy needs, and hooks that cost nothing where nobody listens.

Measured on mitmproxy 11.0.2 (2026-11): calling hooks that no addon has is about 18 % of a request's time, and
mitmproxy's thirty default addons add half again.
"""

from __future__ import annotations

# First, since importing anything of mitmproxy's imports what this does without.
from ringlet_mitm.addons.slim import core, errorcheck, next_layer, proxyserver, tlsconfig

# isort: split
import inspect
import logging
from collections.abc import Callable
from copy import deepcopy
from functools import lru_cache
from typing import Any

from mitmproxy import exceptions, hooks, http
from mitmproxy.addonmanager import AddonManager, traverse
from mitmproxy.flow import Flow
from mitmproxy.master import Master
from mitmproxy.net.http import validate
from mitmproxy.options import Options
from mitmproxy.optmanager import _Option, unset
from mitmproxy.proxy import commands
from mitmproxy.proxy.context import Context
from mitmproxy.utils import asyncio_utils

from ringlet_mitm.addons import whole_reads

logger = logging.getLogger(__name__)

# What an addon listens with, and whether that is a coroutine function.
Listener = tuple[Callable[..., Any], bool]


class QuickAddons(AddonManager):
    """Looks up who listens to a hook once, not at every call."""

    def __init__(self, master: Master) -> None:
        self._listeners: dict[str, tuple[Listener, ...]] = {}
        super().__init__(master)  # type: ignore[no-untyped-call]

    def register(self, addon: Any) -> Any:
        """As mitmproxy's; what was looked up is forgotten."""
        self._listeners.clear()
        return super().register(addon)  # type: ignore[no-untyped-call]

    def remove(self, addon: Any) -> None:
        """As mitmproxy's; what was looked up is forgotten."""
        self._listeners.clear()
        super().remove(addon)  # type: ignore[no-untyped-call]

    async def handle_lifecycle(self, event: hooks.Hook) -> None:
        """Call the hook's listeners, then those of `update` where a flow changed."""
        await self.trigger_event(event)
        if self.listeners("update"):
            (message,) = event.args()
            if isinstance(message, Flow):
                await self.trigger_event(hooks.UpdateHook([message]))

    async def trigger_event(self, event: hooks.Hook) -> None:
        """Call each listener in order; an error in one is logged and does not stop the others."""
        for listener, waits in self.listeners(event.name):
            try:
                if waits:
                    await listener(*event.args())
                else:
                    listener(*event.args())
            except Exception as error:
                if _is_the_end(error):
                    return

    def at_once(self, event: commands.StartHook) -> bool:
        """The same where no listener has to be waited for; False, and nothing is done, where one has."""
        listeners = self.listeners(event.name)
        if any(waits for _, waits in listeners) or self.listeners("update"):
            return False
        (data,) = event.args()
        for listener, _ in listeners:
            try:
                listener(data)
            except Exception as error:
                if _is_the_end(error):
                    break
        return True

    def listeners(self, name: str) -> tuple[Listener, ...]:
        """The addons' methods of that name."""
        found = self._listeners.get(name)
        if found is None:
            methods = (getattr(addon, name, None) for addon in traverse(self.chain))
            found = self._listeners[name] = tuple(
                (method, inspect.iscoroutinefunction(method)) for method in methods if callable(method)
            )
        return found


def _is_the_end(error: Exception) -> bool:
    """Whether the listeners that follow are not called. As in mitmproxy, an addon's fault must not end a connection."""
    if isinstance(error, exceptions.OptionsError):
        raise error
    if isinstance(error, exceptions.AddonHalt):
        return True
    logger.exception("Addon error: %s", error)
    return False


_parse_content_length = lru_cache(256)(validate.parse_content_length)


def quicken() -> None:
    """Do in this process without what `python -O` leaves out as well, and with fewer steps what is done often.

    Of a request's time, by one sampled profile, checking the types of mitmproxy's own data was 8 %, its header look-ups
    10 %, copies of options and connections that are thrown away 3 % (11.0.2, 2026-11).
    """
    whole_reads.install()
    http.MessageData.__post_init__ = _unchecked  # type: ignore[method-assign]
    http.Headers.get_all = _get_all  # type: ignore[method-assign]
    http.Headers.get = _get  # type: ignore[method-assign,assignment]
    http.Headers.__contains__ = _contains  # type: ignore[method-assign,assignment]
    asyncio_utils.set_task_debug_info = _unnamed
    validate.parse_content_length = _parse_content_length
    _Option.current = _current  # type: ignore[method-assign]
    Context.fork = _fork  # type: ignore[method-assign]


def _unchecked(self: http.MessageData) -> None:
    """mitmproxy builds these objects of the right types; its tests check it, with the check in place."""


def _unnamed(*_: object, **__: object) -> None:
    """Names and times of tasks are for mitmproxy's debugger; there are four tasks a request."""


def _current(self: _Option) -> Any:
    value = self._default if self.value is unset else self.value
    return value if isinstance(value, str | int | float | None) else deepcopy(value)


def _fork(self: Context) -> Context:
    """mitmproxy's makes a server's connection, and replaces it."""
    forked = Context.__new__(Context)
    forked.client, forked.options, forked.server = self.client, self.options, self.server
    forked.layers = self.layers.copy()
    return forked


def _get_all(self: http.Headers, name: str | bytes) -> list[str]:
    wanted = name.encode("utf-8", "surrogateescape").lower() if isinstance(name, str) else name.lower()
    size = len(wanted)
    return [
        value.decode("utf-8", "surrogateescape")
        for key, value in self.fields
        if len(key) == size and key.lower() == wanted
    ]


def _get(self: http.Headers, key: str | bytes, default: Any = None) -> Any:
    values = _get_all(self, key)
    return ", ".join(values) if values else default


def _contains(self: http.Headers, key: object) -> bool:
    return isinstance(key, str | bytes) and bool(_get_all(self, key))


class LeanMaster(Master):
    """Core, server, layers and TLS; no views, no scripts, no default addons."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        quicken()
        self.addons = QuickAddons(self)
        self.addons.add(  # type: ignore[no-untyped-call]
            core.Core(),
            proxyserver.Proxyserver(),
            next_layer.NextLayer(),
            tlsconfig.TlsConfig(),
            errorcheck.ErrorCheck(),
        )
