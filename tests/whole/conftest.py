"""The traffic that several files of tests look at; it is made once."""

from __future__ import annotations

import pytest
from every_provider import Traffic, every_vendor, traffic


@pytest.fixture(scope="session")
def every_request(tmp_path_factory: pytest.TempPathFactory) -> Traffic:
    """One request to every provider, all keys set."""
    with every_vendor() as vendor:
        return traffic(tmp_path_factory.mktemp("every-provider"), vendor)
