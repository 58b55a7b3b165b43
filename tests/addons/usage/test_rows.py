"""The column list, the spool's codec, and ids."""

from __future__ import annotations

import json
import os
from dataclasses import MISSING, astuple, fields, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import request

from ringlet_mitm.addons.usage.rows import (
    SCHEMA_VERSION,
    AttemptRow,
    RequestRow,
    columns,
    decode_line,
    encode_line,
    new_id,
)
from ringlet_mitm.rules.pricing import TOKEN_KINDS, Usage

ATTEMPT = AttemptRow(request_id="a", number=1, provider="groq", model="llama", started_us=5)
# Lone surrogates too: bytes of a path that are not UTF-8 arrive as such.
TEXTS = st.text(st.characters(exclude_categories=()))
MONEY = st.none() | st.decimals(0, 10**7, places=10)


@given(TEXTS, TEXTS, MONEY, st.integers(0, 2**63 - 1), st.integers(0, 3))
def test_a_line_is_the_rows(path: str, model: str, usd: Decimal | None, tokens: int, attempts: int) -> None:
    row = request(path=path, requested_model=model, cost_total=usd, input_tokens=tokens)
    tried = tuple(replace(ATTEMPT, number=number, model=model) for number in range(attempts))
    line = encode_line(row, tried)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    found, found_tried = decode_line(line)
    printable = {"path": _printable(path), "requested_model": _printable(model)}
    assert found == replace(row, **printable)
    assert found_tried == tuple(replace(attempt, model=_printable(model)) for attempt in tried)


def _printable(text: str) -> str:
    return text.encode(errors="replace").decode()


def test_money_keeps_every_digit() -> None:
    line = encode_line(request(cost_total=Decimal("12345678.0123456789")), ())
    assert b'"12345678.0123456789"' in line
    assert decode_line(line)[0].cost_total == Decimal("12345678.0123456789")


def test_a_line_of_an_older_version_gets_defaults() -> None:
    row = request(note="new", losses="thinking", attempts=3)
    said = json.loads(encode_line(row, ()))
    for column in fields(RequestRow):
        if column.default is not MISSING:
            del said["request"][column.name]
    found, attempts = decode_line(json.dumps({"request": said["request"]}).encode())
    assert attempts == ()
    assert (found.id, found.note, found.usage_source, found.cost_total) == (row.id, "", "none", None)


def test_a_line_of_the_first_version_says_of_no_switch() -> None:
    said = json.loads(encode_line(request(id="x"), (ATTEMPT,)))
    del said["request"]["switched_from"], said["request"]["cost_switch"]
    found, attempts = decode_line(json.dumps({**said, "v": 1}).encode())
    assert (found, attempts) == (request(id="x"), (ATTEMPT,))
    assert (found.switched_from, found.cost_switch) == ("", 0)


def test_a_line_of_a_newer_version_is_read_as_far_as_it_is_known() -> None:
    said = json.loads(encode_line(request(id="x"), (ATTEMPT,)))
    said["v"] += 1
    said["mood"] = said["request"]["mood"] = said["attempts"][0]["mood"] = {"good": [1]}
    found, attempts = decode_line(json.dumps(said).encode())
    assert (found.id, attempts) == ("x", (ATTEMPT,))


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\0\0\0\0", id="zeros, after a power cut"),
        pytest.param(encode_line(request(), ())[:-20], id="torn"),
        pytest.param(b'{"v": 1}', id="no request"),
        pytest.param(b'{"v": 1, "request": {"id": "x"}}', id="without what every version has"),
        pytest.param(encode_line(request(), ()).replace(b'"work"', b"7"), id="a number for a name"),
        pytest.param(b'{"request": ' + b"[" * 100_000, id="deep"),
        pytest.param(b'{"request": "\xff"}', id="not UTF-8"),
        pytest.param(b"[]", id="a list"),
    ],
)
def test_what_is_no_line_of_ours_is_an_error(line: bytes) -> None:
    with pytest.raises(ValueError):
        decode_line(line)


def test_what_a_later_version_adds_has_a_default() -> None:
    """Or the lines and databases of this one could not be read by it."""
    for kind in (RequestRow, AttemptRow):
        versions = {column.name: column.metadata["since"] for column in fields(kind)}
        assert max(versions.values()) <= SCHEMA_VERSION
        later = [column for column in fields(kind) if versions[column.name] > 1]
        assert [column.name for column in later if column.default is MISSING] == []
        assert all(column.metadata["meaning"] for column in fields(kind))


def test_no_column_could_hold_a_key() -> None:
    names = {*columns(RequestRow), *columns(AttemptRow)}
    assert {name for name in names if "key" in name or "secret" in name or "header" in name} == {"key_label"}


def test_the_token_columns_are_the_kinds_of_pricing() -> None:
    usage = Usage(*range(1, len(TOKEN_KINDS) + 1))
    row = request(**{kind: getattr(usage, kind) for kind in TOKEN_KINDS})
    assert row.usage == usage
    assert {name for name in columns(RequestRow) if name in TOKEN_KINDS} == set(TOKEN_KINDS)


def test_ids_are_unique_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert len(set(ids)) == len(ids)
    assert [one[:16] for one in ids] == sorted(one[:16] for one in ids)
    assert {len(one) for one in ids} == {28}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_makes_other_ids() -> None:
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writes, new_id()[-8:].encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reads, 8).decode() != new_id()[-8:]
    os.close(reads)
    os.close(writes)


def test_rows_are_their_columns() -> None:
    assert len(astuple(request())) == len(columns(RequestRow))
