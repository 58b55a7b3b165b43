"""What the tests of promises share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from every_vendor import EveryVendor
from promises.command import CommandLine

from ringlet_mitm.addons.price_cache import price_book
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.providers import ProviderRegistry


@pytest.fixture(scope="session")
def price_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is read out of the price library once and for all homes; it takes 0.4 s."""
    home = home_of({"RINGLET_HOME": str(tmp_path_factory.mktemp("prices"))})
    price_book(home, ProviderRegistry.default()).warm()
    return home.price_cache


@pytest.fixture
def home_folder(tmp_path: Path, price_cache: Path) -> Path:
    """A fresh home, but for the prices."""
    copy = home_of({"RINGLET_HOME": str(tmp_path)}).price_cache
    copy.parent.mkdir(parents=True)
    shutil.copytree(price_cache, copy)
    return tmp_path


@pytest.fixture
def command_line(home_folder: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line in a fresh home, without the variables of the machine that the tests run on."""
    known = {spec.base_url_env_var for spec in ProviderRegistry.default().list_providers()}
    for name in os.environ:
        if name in known or name.endswith(("_API_KEY", "_BASE_URL", "_TOKEN", "_HOST")):
            monkeypatch.delenv(name)
    return CommandLine(home_folder)


@pytest.fixture(scope="session")
def every_vendor() -> Iterator[EveryVendor]:
    """A stand-in for vendors and local servers."""
    with EveryVendor(["api.anthropic.com", "api.openai.com", "api.groq.com"]) as vendor:
        assert isinstance(vendor, EveryVendor)
        yield vendor


@pytest.fixture
def vendor(every_vendor: EveryVendor) -> EveryVendor:
    """The same, without what earlier tests left there."""
    every_vendor.seen.clear()
    every_vendor.pages.clear()
    return every_vendor
