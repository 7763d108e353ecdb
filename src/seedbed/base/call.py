"""Call strings: `images(per_class=250) | bottom_up(depth=12)`.

In: text. Out: calls with literal arguments, read with `ast` and never evaluated. Knows nothing of
what the names mean.
"""

from __future__ import annotations

import ast
import math
import warnings
from dataclasses import dataclass, field
from typing import Any

from seedbed.base.errors import UsageError

_EXAMPLE = "A call string is name(key=value), joined by '|', for example: images(per_class=250) | bottom_up(depth=2)."


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call: a name, positional and named literal arguments."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        inner = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()]
        return f"{self.name}({', '.join(inner)})"


def parse_calls(text: str, what: str = "call string") -> tuple[Call, ...]:
    """Read calls joined by `|`; an empty text is no call at all.

    Raises UsageError for anything but calls with literal arguments.
    """
    if not text.strip():
        return ()
    try:
        return tuple(_read(node, text, what) for node in _operands(_parse(text.strip())))
    except (SyntaxError, ValueError) as error:
        column = getattr(error, "offset", None)
        place = f" at character {column}" if column else ""
        raise UsageError(f"cannot read the {what} {text!r}{place}", _EXAMPLE) from None
    except (RecursionError, MemoryError):
        raise UsageError(f"the {what} {text[:40]!r}... is nested too deeply", _EXAMPLE) from None


def _parse(text: str) -> ast.expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a Windows path is no mistake worth a warning
        return ast.parse(text, mode="eval").body


def parse_call(text: str, what: str = "call string") -> Call:
    """Read exactly one call; a bare name is a call without arguments."""
    calls = parse_calls(text, what)
    if len(calls) != 1:
        raise UsageError(f"the {what} {text!r} must be one call, not {len(calls)}", _EXAMPLE)
    return calls[0]


def _operands(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _operands(node.left) + _operands(node.right)
    return [node]


def _read(node: ast.expr, text: str, what: str) -> Call:
    if isinstance(node, ast.Name):
        return Call(name=node.id)
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        raise _refused(node, text, what)
    kwargs: dict[str, Any] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise _refused(keyword.value, text, what)
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
        raise _refused(node, text, what) from None
    if not _is_plain(value):
        raise _refused(node, text, what)
    return value


def _is_plain(value: Any) -> bool:
    """Finite numbers, strings, True, False, None, and lists and tuples of these."""
    if isinstance(value, list | tuple):
        return all(_is_plain(v) for v in value)
    if isinstance(value, dict):
        return all(_is_plain(v) for pair in value.items() for v in pair)
    return (
        value is None
        or isinstance(value, str | int)
        or (isinstance(value, float) and math.isfinite(value))
    )


def _refused(node: ast.expr, text: str, what: str) -> UsageError:
    part = ast.unparse(node)
    return UsageError(
        f"the {what} {text!r} holds {part!r}, which is not a call with literal arguments; nothing was run",
        "Arguments may be numbers, strings, True, False, None and lists of these. " + _EXAMPLE,
    )
