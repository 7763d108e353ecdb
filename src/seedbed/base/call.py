"""Parse call strings such as `images(per_class=250) | bottom_up(depth=12)`.

In: text. Out: calls with literal arguments. The text is parsed with `ast` and never evaluated; what
the names mean is decided elsewhere.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from dataclasses import dataclass, field
from typing import Any

from seedbed.base.errors import UsageError

_EXAMPLE = (
    "A call string is name(key=value), several are joined by '|', for example: "
    "images(per_class=250) | bottom_up(depth=2)."
)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A name with positional and keyword arguments, all literals."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        inner = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()]
        return f"{self.name}({', '.join(inner)})"


def parse_calls(text: str, what: str = "call string") -> tuple[Call, ...]:
    """Parse calls joined by `|`; an empty text gives no calls.

    `what` names the text in error messages. Raises UsageError for anything but calls with literal
    arguments.
    """
    if not text.strip():
        return ()
    try:
        return tuple(_to_call(node, text, what) for node in _operands(_parse(text.strip())))
    except (SyntaxError, ValueError) as error:
        column = getattr(error, "offset", None)
        place = f" at character {column}" if column else ""
        hint = _quotes_hint(text) or _EXAMPLE
        raise UsageError(f"cannot read the {what} {text!r}{place}", hint) from None
    except (RecursionError, MemoryError):
        raise UsageError(f"the {what} {text[:40]!r}... is nested too deeply", _EXAMPLE) from None


def _quotes_hint(text: str) -> str:
    """How to write a call whose only argument is a path without quotes; otherwise empty."""
    match = re.fullmatch(r"\s*(\w+)\(\s*([\w.~ -]*/[\w./~ -]*?)\s*\)\s*", text)
    return f"A path needs quotes: {match[1]}({match[2]!r})." if match else ""


def _parse(text: str) -> ast.expr:
    with warnings.catch_warnings():
        # "\p" in a Windows path is an invalid escape, which Python warns about.
        warnings.simplefilter("ignore")
        return ast.parse(text, mode="eval").body


def parse_call(text: str, what: str = "call string") -> Call:
    """Parse exactly one call; a bare name is a call without arguments."""
    calls = parse_calls(text, what)
    if len(calls) != 1:
        raise UsageError(f"the {what} {text!r} must be one call, not {len(calls)}", _EXAMPLE)
    return calls[0]


def _operands(node: ast.expr) -> list[ast.expr]:
    """The expressions that `|` joins, from left to right."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _operands(node.left) + _operands(node.right)
    return [node]


def _to_call(node: ast.expr, text: str, what: str) -> Call:
    if isinstance(node, ast.Name):
        return Call(name=node.id)
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        raise _not_literal_error(node, text, what)
    kwargs: dict[str, Any] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise _not_literal_error(keyword.value, text, what)
        if keyword.arg in kwargs:
            raise UsageError(f"the {what} {text!r} gives {keyword.arg!r} twice", _EXAMPLE)
        kwargs[keyword.arg] = _literal(keyword.value, text, what)
    return Call(
        name=node.func.id, args=tuple(_literal(a, text, what) for a in node.args), kwargs=kwargs
    )


def _literal(node: ast.expr, text: str, what: str) -> Any:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        raise _not_literal_error(node, text, what) from None
    if not _is_plain(value):
        raise _not_literal_error(node, text, what)
    return value


def _is_plain(value: Any) -> bool:
    """Whether a value is a finite number, a string, True, False, None, or a collection of these."""
    if isinstance(value, list | tuple):
        return all(_is_plain(v) for v in value)
    if isinstance(value, dict):
        return all(_is_plain(v) for pair in value.items() for v in pair)
    return (
        value is None
        or isinstance(value, str | int)
        or (isinstance(value, float) and math.isfinite(value))
    )


def _not_literal_error(node: ast.expr, text: str, what: str) -> UsageError:
    part = ast.unparse(node)
    return UsageError(
        f"the {what} {text!r} holds {part!r}, which is not a call with literal arguments; nothing "
        "was run",
        _quotes_hint(text)
        or "Arguments may be numbers, strings, True, False, None and lists of these. " + _EXAMPLE,
    )
