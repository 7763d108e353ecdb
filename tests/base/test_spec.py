"""Validation of settings: all faults are reported at once. A fingerprint changes with a value and
with nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from seedbed.base.call import parse_call
from seedbed.base.errors import UsageError
from seedbed.base.spec import build, build_call, canonical_json, fingerprint, signature


@dataclass(frozen=True, kw_only=True)
class Inner:
    depth: int = 1


@dataclass(frozen=True)
class Settings:
    width: int
    rate: float = 0.1
    names: tuple[str, ...] = ()
    fast: bool = False
    inner: Inner | None = None
    cache: dict[str, int] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width = {self.width} must be positive")


def test_values_become_an_instance() -> None:
    settings = build(Settings, {"width": 3, "names": ["a", "b"], "inner": {"depth": 2}}, "[here]")
    assert settings == Settings(3, names=("a", "b"), inner=Inner(depth=2))


def test_an_unknown_key_names_place_and_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        build(Settings, {"widht": 3}, "[pretraining]")
    assert caught.value.message == "unknown key 'widht' in [pretraining]"
    assert "'width'" in caught.value.hint
    assert "rate" in caught.value.hint


def test_a_missing_key_is_named() -> None:
    with pytest.raises(UsageError, match=r"\[here\]: 'width' is missing"):
        build(Settings, {}, "[here]")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": "wide"}, "width = 'wide'"),
        ({"width": 2.5}, r"width = 2\.5"),
        ({"width": None}, "width = None"),
        ({"width": True}, "width = True"),
        ({"width": 1, "names": "abc"}, "names = 'abc'"),
        ({"width": 1, "names": ["a", 3]}, r"names\.1 = 3"),
        ({"width": 1, "inner": {"depth": "x"}}, r"inner\S*\.depth = 'x'"),
        ({"width": 0}, "width = 0 must be positive"),
    ],
)
def test_a_wrong_value_is_shown_with_its_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(Settings, values, "[here]")


def test_several_wrong_values_are_reported_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        build(Settings, {"rate": "fast", "fast": "maybe"}, "[here]")
    for part in ("'width' is missing", "rate = 'fast'", "fast = 'maybe'"):
        assert part in caught.value.message


def test_several_unknown_keys_are_reported_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        build(Settings, {"widht": 3, "raet": 1}, "[here]")
    assert "widht" in str(caught.value)
    assert "raet" in str(caught.value)


def test_call_arguments_fill_the_fields_in_order() -> None:
    assert build_call(Settings, parse_call("s(3, 0.5, fast=True)"), "thing") == Settings(
        3, 0.5, fast=True
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s(3, width=4)", "gives 'width' twice"),
        ("s(1, 2, [], True, None, {}, 7)", "takes 6"),
        ("s(wide=1)", "unknown key 'wide'"),
    ],
)
def test_a_call_that_does_not_fit_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_call(Settings, parse_call(text), "thing")


def test_the_signature_shows_fields_and_defaults() -> None:
    assert signature(Inner, "inner") == "inner(depth=1)"
    assert signature(Settings, "s").startswith("s(width, rate=0.1, names=(), ")


def test_the_canonical_form_does_not_depend_on_the_order_of_keys() -> None:
    assert (
        canonical_json({"b": 1, "a": [{"y": 1, "x": 2}]})
        == canonical_json({"a": [{"x": 2, "y": 1}], "b": 1})
        == '{"a":[{"x":2,"y":1}],"b":1}'
    )


def test_tuples_and_lists_are_the_same_spec() -> None:
    assert canonical_json((1, (2, 3))) == canonical_json([1, [2, 3]]) == "[1,[2,3]]"


def test_nan_has_no_canonical_form() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"rate": float("nan")})


CHANGES = [
    {"width": 4},
    {"rate": 0.2},
    {"names": ("a",)},
    {"names": ("ab",)},
    {"names": ("a", "b")},
    {"fast": True},
    {"inner": Inner()},
]


def test_the_fingerprint_changes_with_every_value() -> None:
    base = Settings(3)
    prints = [fingerprint(base), *(fingerprint(replace(base, **change)) for change in CHANGES)]
    assert len(set(prints)) == len(prints)
    assert all(len(p) == 20 for p in prints)


def test_the_fingerprint_of_an_equal_value_is_equal() -> None:
    assert fingerprint(Settings(3)) == fingerprint(
        build(Settings, {"rate": 0.1, "width": 3}, "[here]")
    )
    assert fingerprint(Settings(3, cache={"x": 1})) == fingerprint(Settings(3))


def test_types_with_different_names_have_different_fingerprints() -> None:
    @dataclass(frozen=True)
    class Other:
        depth: int = 1

    assert fingerprint(Other()) != fingerprint(Inner())
