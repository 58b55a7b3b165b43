"""The stand-in login service, fresh for every test, and a client that reaches it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from oauth_vendor import OAuthVendor

from ringlet_mitm.addons.connect_to import parse_detour
from ringlet_mitm.addons.credentials.logins.vendor_client import VendorClient


@pytest.fixture
def oauth() -> Iterator[OAuthVendor]:
    with OAuthVendor() as running:
        yield running


@pytest.fixture
def client(oauth: OAuthVendor) -> VendorClient:
    return VendorClient(tuple(parse_detour(text) for text in oauth.connect_to), oauth.ca_file)
