"""The lines of keys: the same keys as tomllib sees, each where it stands."""

from __future__ import annotations

import string
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.document import Document, KeyPath
from ringlet_mitm.rules.errors import ConfigError

ROOT = Path(__file__).parents[2]


def key_paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key and list index that tomllib sees."""
    items: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    for key, inner in items:
        yield (*path, key)
        yield from key_paths(inner, (*path, key))


PLACES = {
    "a plain key": ("\n# comment\nkey = 1\n", ("key",), 3),
    "a key in a table": ("[a]\nx = 1\n[b]\nx = 2\n", ("b", "x"), 4),
    "a table's header": ("[a]\n\n[b]\n", ("b",), 3),
    "a spaced and quoted header": ("[ a . 'b c' ]\n", ("a", "b c"), 1),
    "the second of an array of tables": ("[[r]]\nx = 1\n[[r]]\nx = 2\n", ("r", 1, "x"), 4),
    "a table inside the last array element": ("[[r]]\n[[r]]\n[r.s]\nx = 1\n", ("r", 1, "s", "x"), 4),
    "an array of tables inside another": ("[[r]]\n[[r.s]]\n[[r.s]]\nx = 1\n[[r]]\n[[r.s]]\n", ("r", 1, "s", 0), 6),
    "a dotted key": ("[a]\nb.c.d = 1\n", ("a", "b", "c", "d"), 2),
    "a header after its sub-table": ("[a.b]\n[a]\nx = 1\n", ("a",), 2),
    "a key of an inline table": ("m = { u = true, v = { w = 1 } }\n", ("m", "v", "w"), 1),
    "inline tables in an array over several lines": (
        "any = [\n  { x = 1 }, # ]\n  { y = 2 },\n]\n",
        ("any", 1, "y"),
        3,
    ),
    "a key after a string with a hash": ("a = 'x # y'\nb = 1\n", ("b",), 2),
    "a key after a string with a bracket": ('a = ["[x", "]"]\nb = 1\n', ("b",), 2),
    "a key after a long string with keys in it": ('a = """\n[no]\nb = 1\n\\""" "" """\nb = 2\n', ("b",), 5),
    "a key after a literal long string": ("a = '''\nb = 1\nit''s\\'''\nb = 2\n", ("b",), 4),
    "a key after a string that ends in quotes": ('a = """x"""""\nb = 1\n', ("b",), 2),
    "a key after a date with a space": ("a = 1979-05-27 07:32:00 # b = 2\nb = 1\n", ("b",), 2),
    "a quoted key with an escape": ('"\\u00e4 = 1" = 1\n', ("ä = 1",), 1),
    "a key with Windows line ends": ('a = """\r\n"""\r\nb = 1\r\n', ("b",), 3),
    "a key behind a byte order mark": ("\ufeffa = 1\n", ("a",), 1),
}


@pytest.mark.parametrize(("text", "path", "line"), PLACES.values(), ids=PLACES)
def test_a_key_has_its_line(text: str, path: KeyPath, line: int) -> None:
    document = Document.parse(text, "f.toml")
    assert document.line_of(path) == line
    assert set(document.lines) == set(key_paths(document.data))


def test_a_key_that_is_not_there_has_no_line() -> None:
    assert Document.parse("[a]\nb = 1\n", "f.toml").line_of(("a", "c")) is None


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.toml")), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_toml_file_of_this_project_reads_alike(path: Path) -> None:
    if path.parent.name == "broken" or any(part.startswith(".") for part in path.relative_to(ROOT).parts):
        return
    document = Document.parse(path.read_text(encoding="utf-8"), path.name)
    assert set(document.lines) == set(key_paths(document.data))


SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text("aé😀\"'#[]{}=,.\\\n\t ", max_size=12)
    | st.dates(min_value=date(1000, 1, 1))
    | st.datetimes(min_value=datetime(1000, 1, 1))
    | st.times().map(lambda moment: time(moment.hour, moment.minute, moment.second))
)
KEYS = st.text(string.ascii_lowercase + "-_ .#]=\"'é\\", max_size=6)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)


@given(st.dictionaries(KEYS, VALUES, max_size=6), st.booleans())
def test_the_same_keys_as_tomllib_whatever_was_written(data: dict[str, Any], multiline: bool) -> None:
    document = Document.parse(tomli_w.dumps(data, multiline_strings=multiline), "f.toml")
    assert set(document.lines) == set(key_paths(document.data))


ENDS = {
    "key": st.sampled_from(["a", "b", "'c d'", '"e.f"', '"\\t"', "a.b", " a . 'b' ", "g-h_1"]),
    "value": st.sampled_from(
        [
            "1",
            "'#'",
            '"]"',
            "[ 1,\n2, ]",
            "[#[\n]",
            "{ }",
            "{ x = 1 , y.z = [ { w = '}' } ] }",
            '"""\n[a]\n"""',
            "1.5e3",
            "true",
        ]
    ),
    "header": st.sampled_from(["[t]", "[t.u]", "[[r]]", "[r.s]", "[[r.v]]", "[ t . 'w' ]", "[[ r ]]"]),
    "end": st.sampled_from(["\n", " # x = [\n", "\n\n", "\r\n", "\t\n"]),
}
STATEMENTS = st.one_of(
    st.tuples(ENDS["key"], st.sampled_from(["=", " = ", "\t= "]), ENDS["value"], ENDS["end"]).map("".join),
    st.tuples(ENDS["header"], ENDS["end"]).map("".join),
    st.sampled_from(["# [t]\n", "\n", "  \n"]),
)


@given(st.lists(STATEMENTS, max_size=8).map("".join))
def test_the_same_keys_as_tomllib_however_it_was_written(text: str) -> None:
    try:
        document = Document.parse(text, "f.toml")
    except ConfigError:
        return  # a key twice: tomllib refused it
    assert set(document.lines) == set(key_paths(document.data))


@given(st.text(st.sampled_from("ab=[]{}\"'#.,\\\n 1"), max_size=40))
def test_any_text_is_read_or_refused_with_its_file(text: str) -> None:
    try:
        document = Document.parse(text, "f.toml")
    except ConfigError as error:
        assert str(error).startswith("f.toml")
    else:
        assert set(document.lines) == set(key_paths(document.data))


REFUSED = {
    "no value": ("a = 1\nb =\n", 2),
    "an open string": ('a = 1\n\nb = "x\n', 3),
    "no equals sign at the end": ("a = 1\nb", 2),
    "a key twice": ("a = 1\na = 2\n\n", 2),
    "an open array": ("a = [\n1,\n", 2),
    "too deep": (f"a = {'[' * 20_000}", None),
    "a number too long": (f"a = {'9' * 5_000}", None),
}


@pytest.mark.parametrize(("text", "line"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_toml_is_refused_with_its_line(text: str, line: int | None) -> None:
    with pytest.raises(ConfigError) as caught:
        Document.parse(text, "f.toml")
    assert (caught.value.file, caught.value.line) == ("f.toml", line)


def test_an_error_stands_at_its_key_or_at_the_table_around_it() -> None:
    document = Document.parse('[[rule]]\nto = "x"\n[[rule]]\nmatch = { a = 1 }\n', "f.toml")
    assert (
        str(document.error(("rule", 1, "match", "a"), "is wrong", "b"))
        == "f.toml:4: rule.match.a: is wrong; did you mean 'b'?"
    )
    assert document.error(("rule", 1, "to"), "is missing").line == 3
    assert document.error(("default",), "is missing").line is None
