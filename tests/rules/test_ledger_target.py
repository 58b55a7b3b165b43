"""What `[ledger]` of config.toml may name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.ledger_target import (
    Kind,
    LedgerTarget,
    WrongTarget,
    load_target,
    taken_from,
    target_of,
    words_of,
)
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.settings import Telemetry
from ringlet_mitm.rules.settings_file import read_settings

ENVIRON = {"HOME": "/home/me", "TEAM": "tools", "PGHOST": "db.example"}
LAKE = "ducklake:postgres:dbname=usage host=db.example"


@pytest.mark.parametrize(
    ("target", "data_path", "found", "kind", "in_s3"),
    [
        pytest.param("/srv/usage", None, LedgerTarget("/srv/usage"), Kind.PARQUET, False, id="a-directory"),
        pytest.param("~/usage/", None, LedgerTarget("/home/me/usage"), Kind.PARQUET, False, id="of-the-home"),
        pytest.param("/srv/${TEAM}", None, LedgerTarget("/srv/tools"), Kind.PARQUET, False, id="a-variable"),
        pytest.param("s3://team/usage/", None, LedgerTarget("s3://team/usage"), Kind.PARQUET, True, id="s3"),
        pytest.param("s3://team", None, LedgerTarget("s3://team"), Kind.PARQUET, True, id="a-whole-bucket"),
        pytest.param(LAKE, "/srv/lake", LedgerTarget(LAKE, "/srv/lake"), Kind.DUCKLAKE, False, id="ducklake"),
        pytest.param(LAKE, "s3://team/x", LedgerTarget(LAKE, "s3://team/x"), Kind.DUCKLAKE, True, id="ducklake-in-s3"),
        pytest.param(
            "ducklake:postgres:dbname=usage host=${PGHOST}",
            "/srv/lake",
            LedgerTarget(LAKE, "/srv/lake"),
            Kind.DUCKLAKE,
            False,
            id="a-variable-in-a-catalogue",
        ),
    ],
)
def test_targets(target: str, data_path: str | None, found: LedgerTarget, kind: Kind, in_s3: bool) -> None:
    made = target_of(target, data_path, ENVIRON)
    assert made == found
    assert (made.kind, made.in_s3) == (kind, in_s3)
    assert taken_from([*words_of(made), "a", "b"]) == (made, ["a", "b"])


def test_none() -> None:
    assert target_of(None, None, {}) is None
    assert words_of(None) == ()
    assert taken_from(["a"]) == (None, ["a"])


@pytest.mark.parametrize(
    ("target", "data_path", "name", "said"),
    [
        pytest.param("usage", None, "target", "a whole path", id="a-relative-path"),
        pytest.param("gs://team/usage", None, "target", "a directory, s3://bucket/prefix or", id="another-store"),
        pytest.param("s3://", None, "target", "names no bucket", id="no-bucket"),
        pytest.param("s3://id:key@team/x", None, "target", "AWS_ACCESS_KEY_ID", id="a-key-in-s3"),
        pytest.param("s3://team/x?s3_secret_access_key=k", None, "target", "AWS_ACCESS_KEY_ID", id="a-key-as-query"),
        pytest.param("/srv/${NIX}", None, "target", "NIX, which is not set", id="no-such-variable"),
        pytest.param(LAKE, None, "target", "data_path", id="no-data-path"),
        pytest.param("ducklake:usage.ducklake", "/d", "target", "several machines", id="a-catalogue-of-one-machine"),
        pytest.param("ducklake:postgres:", "/d", "target", "names no database", id="no-database"),
        pytest.param(f"{LAKE} password=x", "/d", "target", "PGPASSWORD", id="a-password"),
        pytest.param("ducklake:postgres:postgresql://me:x@h/usage", "/d", "target", "PGPASSWORD", id="one-in-a-url"),
        pytest.param(LAKE, "lake", "data_path", "a whole path", id="a-relative-data-path"),
        pytest.param("/srv/usage", "/d", "data_path", "DuckLake alone", id="a-data-path-too-many"),
        pytest.param(None, "/d", "data_path", "is missing", id="a-data-path-alone"),
    ],
)
def test_what_cannot_be(target: str | None, data_path: str | None, name: str, said: str) -> None:
    with pytest.raises(WrongTarget) as caught:
        target_of(target, data_path, ENVIRON)
    assert caught.value.name == name
    assert said in caught.value.message


@given(st.text(), st.text() | st.none())
def test_any_text_is_a_target_or_said_to_be_wrong(target: str, data_path: str | None) -> None:
    try:
        found = target_of(target, data_path, ENVIRON)
    except WrongTarget as error:
        assert error.message
    else:
        assert found is not None and taken_from([*words_of(found)]) == (found, [])


def settings(text: str, environ: dict[str, str] | None = None) -> object:
    return read_settings(text, "config.toml", registry({}), environ or {})


def test_config_toml_has_it_with_lines(tmp_path: Path) -> None:
    text = '[ledger]\ntarget = "/srv/${TEAM}"\n\n[telemetry]\nendpoint = "http://127.0.0.1:4318"\n'
    read = read_settings(text, "config.toml", registry({}), ENVIRON)
    assert read.ledger == LedgerTarget("/srv/tools")
    assert read.telemetry == Telemetry("http://127.0.0.1:4318")
    home = home_of({"RINGLET_HOME": str(tmp_path)})
    assert load_target(home, ENVIRON) is None
    home.config_file.write_text(text)
    assert load_target(home, ENVIRON) == read.ledger


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param('[ledger]\ntarget = "usage"', "config.toml:2: ledger.target: has to be a whole path", id="path"),
        pytest.param("[ledger]\ntarget = 3", "ledger.target: has to be text in quotes", id="type"),
        pytest.param('[ledger]\ntargt = "/x"', "did you mean 'target'?", id="unknown"),
        pytest.param('[ledger]\ndata-path = "/x"', "config.toml:2: ledger.data-path: is for a target", id="kebab"),
        pytest.param('[telemetry]\nendpoint = "nix"', "config.toml:2: telemetry.endpoint: ", id="endpoint"),
        pytest.param("[telemetry]\nenabled = 3", "config.toml:2: telemetry.enabled: ", id="enabled"),
    ],
)
def test_what_is_wrong_there(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(text)
    assert said in str(caught.value)


def test_a_report_says_the_same_of_a_wrong_target(tmp_path: Path) -> None:
    home = home_of({"RINGLET_HOME": str(tmp_path)})
    home.config_file.write_text('[ledger]\ntarget = "usage"')
    with pytest.raises(ConfigError, match=r"ledger\.target: has to be a whole path"):
        load_target(home, ENVIRON)


def test_reports_do_not_wait_for_the_rules() -> None:
    script = "import sys, ringlet_mitm.rules.ledger_target; print('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "False\n"
