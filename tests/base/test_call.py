"""Call strings are parsed, never evaluated: anything but calls with literal arguments is rejected,
and nothing runs."""

from __future__ import annotations

import os

import pytest

from seedbed.base.call import Call, parse_call, parse_calls
from seedbed.base.errors import UsageError

HOSTILE = {
    "system": "__import__('os').system('touch hacked')",
    "nested system": "images(__import__('os').system('touch hacked'))",
    "attribute": "os.system('touch hacked')",
    "attribute argument": "images(per_class=os.getpid)",
    "subscript": "images[0]",
    "called twice": "images()()",
    "lambda": "lambda: 1",
    "lambda argument": "images(lambda: 1)",
    "f-string": 'folder(f\'{open("hacked", "w")}\')',
    "comprehension": "images([i for i in (1, 2)])",
    "generator": "images(i for i in (1, 2))",
    "nested call": "images(open('hacked', 'w'))",
    "name argument": "images(per_class=n)",
    "starred": "images(*[1, 2])",
    "double starred": "images(**{'per_class': 1})",
    "walrus": "images((hacked := 1))",
    "arithmetic": "images(10 ** 10 ** 10)",
    "repetition": "images('a' * 10 ** 12)",
    "conditional": "images(1 if True else 2)",
    "await": "await images()",
    "statement": "import os",
    "two statements": "images(); classes()",
    "assignment": "x = images()",
    "literal": "5",
    "string": "'images()'",
    "other operator": "images() & classes()",
    "trailing bar": "a |",
    "leading bar": "| a",
    "double bar": "a || b",
    "unclosed": "images(per_class=",
    "null byte": "images(\0)",
    "curly quotes": "folder(\u2018photos\u2019)",
    "full-width digit": "images(per_class=\uff12)",
    "arrow": "images \u2192 classes",
    "deep brackets": "images(" + "[" * 5_000 + "]" * 5_000 + ")",
    "deep calls": "a(" * 5_000 + ")" * 5_000,
    "deep signs": "images(" + "-" * 50_000 + "1)",
    "deep attributes": "a" + ".b" * 5_000,
    "deep sum": "images(" + "1+" * 20_000 + "1)",
    "huge integer": "images(" + "9" * 10_000 + ")",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_anything_but_literal_calls_is_rejected_and_not_run(
    text: str, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        parse_calls(text, "recipe")
    assert "recipe" in caught.value.message
    assert "images(per_class=250)" in caught.value.hint
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("length", [200, 1_100, 5_000])
def test_a_very_long_chain_is_parsed_or_rejected_but_never_crashes(length: int) -> None:
    try:
        calls = parse_calls(" | ".join(["images(per_class=2)"] * length))
    except UsageError:
        return
    assert len(calls) == length


@pytest.mark.parametrize("depth", [100, 900, 2_500])
@pytest.mark.parametrize("prefix", ["1+", "-", "a.", "not "])
def test_nesting_of_any_depth_is_rejected(prefix: str, depth: int) -> None:
    with pytest.raises(UsageError):
        parse_calls(f"images({prefix * depth}a)")


def test_calls_keep_names_order_and_literals() -> None:
    first, second, third = parse_calls("images(per_class=250) | classes(names=['a', 'b']) | plain")
    assert first == Call(name="images", kwargs={"per_class": 250})
    assert second == Call(name="classes", kwargs={"names": ["a", "b"]})
    assert third == Call(name="plain")


@pytest.mark.parametrize(
    "text",
    [
        "a()",
        "folder('caf\u00e9 \u732b/')",
        "f(1, -2.5, None, True, key=[1, 'x'], other={'k': (1, 2)})",
        "f('it\\'s | not a bar')",
        "f('a\\\\b\\n')",
    ],
)
def test_the_text_of_a_call_parses_to_the_same_call(text: str) -> None:
    call = parse_call(text)
    assert parse_call(str(call)) == call


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_an_empty_text_is_no_call(text: str) -> None:
    assert parse_calls(text) == ()
    with pytest.raises(UsageError, match="must be one call, not 0"):
        parse_call(text)


def test_two_calls_are_rejected_where_one_is_expected() -> None:
    with pytest.raises(UsageError, match="must be one call, not 2"):
        parse_call("a | b")


def test_a_repeated_key_is_rejected() -> None:
    with pytest.raises(UsageError, match="per_class"):
        parse_calls("images(per_class=5, per_class=6)")


def test_infinity_is_rejected_or_parses_to_the_same_call() -> None:
    try:
        call = parse_call("images(fraction=1e999)")
    except UsageError:
        return
    assert parse_call(str(call)) == call


def test_a_backslash_in_a_path_raises_no_warning() -> None:
    assert parse_call(r"folder('C:\data\photos')").args == (r"C:\data\photos",)


def test_brackets_may_group_bars() -> None:
    assert parse_calls("a | (b | c)") == parse_calls("(a | b) | c") == parse_calls("a|b|c")


def test_the_position_of_a_syntax_error_is_named() -> None:
    with pytest.raises(UsageError, match="at character"):
        parse_calls("images(per_class=5")
