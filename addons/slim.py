"""Five of mitmproxy's addons, without the forty others that importing its `addons` package brings in to list them.

Measured on mitmproxy 11.0.2 (2026-11): 15 MB and 0.15 s of every start. So an empty package stands in for it until
somebody asks for the list. Whoever imported mitmproxy's own first (mitmdump) keeps it.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import mitmproxy

NAME = "mitmproxy.addons"
LIST = "default_addons"


class _Unlisted(ModuleType):
    """The package with its folder and nothing in it; asked for the list, it becomes the real one."""

    def __getattr__(self, name: str) -> Any:
        if name != LIST or self.__spec__ is None or self.__spec__.loader is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        self.__spec__.loader.exec_module(self)
        return self.__dict__[name]


def _stand_in() -> None:
    spec = importlib.util.find_spec(NAME)
    assert spec is not None
    package = _Unlisted(NAME)
    package.__spec__ = spec
    package.__path__ = spec.submodule_search_locations or []
    package.__package__ = NAME
    package.__file__ = spec.origin
    sys.modules[NAME] = package
    mitmproxy.addons = package  # type: ignore[attr-defined]


if NAME not in sys.modules:
    _stand_in()

core = import_module(f"{NAME}.core")
errorcheck = import_module(f"{NAME}.errorcheck")
next_layer = import_module(f"{NAME}.next_layer")
proxyserver = import_module(f"{NAME}.proxyserver")
tlsconfig = import_module(f"{NAME}.tlsconfig")
