"""Of the authority in time: one that is over, one of a clock that was ahead, and a clock that is behind."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ringlet_mitm.addons.authority import authority_in
from ringlet_mitm.addons.ca_certificate import Permitted, new_key, self_signed
from ringlet_mitm.cli.checks import certificates
from ringlet_mitm.cli.checks.finding import Finding, State
from ringlet_mitm.cli.checks.scene import Scene, scene_of
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

DAY = datetime.timedelta(days=1)
Made = Callable[[datetime.timedelta], Scene]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A home whose authority was made that long ago."""

    def make(ago: datetime.timedelta) -> Scene:
        environ = {"RINGLET_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": ""}
        home = home_of(environ)
        save_profile(home, Profile(name="work"))
        scene = scene_of(home, "work", environ)
        key, files = new_key(), authority_in(home.ca_dir)
        files.folder.mkdir(mode=0o700)
        found = self_signed(key, Permitted.of(scene.decrypted), datetime.datetime.now(datetime.UTC) - ago)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        files.key.touch(0o600)
        files.key.write_bytes(secret + _pem(found))
        files.certificate.write_bytes(_pem(found))
        return scene

    return make


def _pem(found: x509.Certificate) -> bytes:
    return found.public_bytes(serialization.Encoding.PEM)


def states(findings: list[Finding]) -> list[State]:
    return [one.state for one in findings]


def test_one_of_today(made: Made) -> None:
    scene = made(DAY)
    assert states(list(certificates.authority(scene))) == [State.OK]
    assert states(list(certificates.clock(scene))) == [State.OK]
    assert states(list(certificates.signing(scene))) == [State.SKIPPED]


def test_one_that_is_over(made: Made) -> None:
    (found,) = certificates.authority(made(4 * 365 * DAY))
    assert (found.state, found.mend) == (State.BROKEN, "ringlet-mitm ca show")
    assert "its certificate holds from" in found.words


def test_one_that_is_not_yet(made: Made) -> None:
    scene = made(-10 * DAY)
    assert states(list(certificates.authority(scene))) == [State.BROKEN]
    (found,) = certificates.clock(scene)
    assert (found.state, "our certificate begins on" in found.words) == (State.BROKEN, True)


def test_a_clock_behind_the_installation(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Earlier(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Earlier:
            return cls(2001, 1, 1, tzinfo=tz)

    scene = made(DAY)
    monkeypatch.setattr(certificates.datetime, "datetime", Earlier)
    (found,) = certificates.clock(scene)
    assert (found.state, "2001-01-01" in found.words) == (State.BROKEN, True)


def test_what_is_no_certificate(made: Made) -> None:
    scene = made(DAY)
    authority_in(scene.home.ca_dir).key.write_text("-")
    (found,) = certificates.authority(scene)
    assert (found.state, found.mend.startswith("mv ")) == (State.BROKEN, True)
