"""What pydantic found, said to the person who wrote the YAML."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from itertools import groupby
from pathlib import PurePath
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from xlt.errors import XltError, nearest, raise_all
from xlt.yaml.nodes import Node, SourceLocation, resolve

Path = tuple[str | int, ...]
"""Of a value: the keys and numbers that lead to it."""

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "path_type": "a path",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "dict_type": "a mapping (`key: value`)",
    "model_type": "a mapping (`key: value`)",
    "model_attributes_type": "a mapping (`key: value`)",
    "none_required": "null",
    "greater_than": "greater than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "string_pattern_mismatch": "text of the form {pattern}",
}
_TRUTH = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


MAX_PROBLEMS = 100
"""After so many nobody reads on, and looking for the nearest valid names takes time."""


class Problems:
    """Collects problems; `raise_all` raises them in the order in which they were written.

    So do `add` and `add_error` where there are `MAX_PROBLEMS`.
    """

    def __init__(self) -> None:
        self._found: list[tuple[SourceLocation, XltError]] = []
        self._said: set[str] = set()
        self.sources: list[str] = []

    def add(self, at: SourceLocation, key: str, what: str, fix: str | None) -> None:
        error = XltError(what, where=at.of(key), fix=fix)
        if error.render() not in self._said:
            self._said.add(error.render())
            self._found.append((at, error))
        if len(self._found) >= MAX_PROBLEMS:  # this is another kind of file
            self.raise_all()

    def add_error(self, at: SourceLocation, key: str, error: XltError) -> None:
        """An error that says what and how, but not in which line."""
        self.add(at, key, error.what, error.fix)

    def add_invalid(
        self,
        error: ValidationError,
        root: Node,
        field: Callable[[Path], FieldInfo | None],
        *,
        prefix: Path = (),
        meant: Container[Path] = (),
    ) -> None:
        """All that pydantic found but unknown keys, whose valid names the caller knows.

        root:   of what was validated, or of what holds it below `prefix`.
        field:  what the schema says of the value there.
        meant:  missing keys that are not missing but misspelt, which was said already.
        """
        invalid = []
        for detail in error.errors(include_url=False):
            path = (*prefix, *detail["loc"])
            node, reached, shown = root.find(path)
            if detail["type"] == "missing":
                missing = str(path[-1])
                if (*reached, missing) in meant:
                    continue
                shown = f"{shown}.{missing}" if shown else missing
                kind = "item" if isinstance(path[-1], int) else "key"
                what = f"the {kind} {missing!r} is missing"
                self.add(node.at, shown, what, f"add `{missing}:` here")
            elif detail["type"] != "extra_forbidden":
                invalid.append((reached, shown, node, detail))
        # Several errors about one value come from a union.
        for (reached, shown), group in groupby(invalid, key=lambda item: (item[0], item[1])):
            members = list(group)
            what, fix = explain([member[3] for member in members], field(reached))
            self.add(members[0][2].at, shown, what, fix)

    def raise_all(self) -> None:
        order = {source: n for n, source in enumerate(self.sources)}
        self._found.sort(key=lambda item: (order.get(item[0].source, 99), item[0].line or 0))
        raise_all([error for _, error in self._found])


def show(value: Any) -> str:
    """A YAML value in a sentence."""
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(str(value) if isinstance(value, PurePath) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def explain(
    errors: Iterable[Any], field: FieldInfo | None, *, hint: str | None = None
) -> tuple[str, str]:
    """What is wrong and what to do, from pydantic's errors about one value.

    Several errors about one value come from a union: the value may be any of what they expect.

    hint: what else to do; by default what the schema says of the field.
    """
    errors = list(errors)
    told = _hint(field) if hint is None else hint
    own = next((e["ctx"]["error"] for e in errors if e["type"] == "value_error"), None)
    if isinstance(own, ValidationError):  # a validator that calls another one
        return explain(own.errors(include_url=False), field, hint=hint)
    if own is not None:
        cause = own if isinstance(own, XltError) else own.__cause__
        if isinstance(cause, XltError):
            return cause.what, cause.fix or told
        return str(own), told
    value = errors[0]["input"]
    expected = list(dict.fromkeys(_expected(error) for error in errors))
    if None in expected:
        return errors[0]["msg"], told
    wanted = " or ".join(str(text) for text in expected)
    fixes = [fix for fix in (_remedy(error, value) for error in errors) if fix is not None]
    return f"must be {wanted}, not {show(value)}", fixes[0] if fixes else (
        f"write {wanted}; {told}"
    )


def in_one_line(error: ValidationError) -> str:
    """All that pydantic found, each with its key, for files that no person writes."""
    return "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {explain([one], None)[0]}"
        for one in error.errors(include_url=False)
    )


def _expected(error: Any) -> str | None:
    context = error.get("ctx", {})
    if error["type"] == "too_short":
        return f"{context['min_length']} or more"
    if error["type"] == "too_long":
        return f"{context['max_length']} or fewer"
    if error["type"] == "string_too_long":
        return f"text of at most {context['max_length']} characters"
    template = _EXPECTED.get(error["type"])
    return None if template is None else template.format(**context)


def _remedy(error: Any, value: Any) -> str | None:
    """Advice for the slips of the pen that a type error shows."""
    kind = error["type"]
    if kind == "string_type" and not isinstance(value, list | dict | None):
        return f'write it in quotes: "{show(value)}"'
    if isinstance(value, str):
        if kind == "bool_type" and value.lower() in _TRUTH:
            return f"write {_TRUTH[value.lower()]} (in YAML 1.2, {value} is text)"
        if kind in ("int_type", "float_type", "bool_type") and not isinstance(resolve(value), str):
            return f"remove the quotes: {value}"
        if kind in ("literal_error", "enum"):
            choices = [
                c.strip("'") for c in error["ctx"]["expected"].replace(" or ", ", ").split(", ")
            ]
            close = nearest(value, choices)
            return f"did you mean {close!r}?" if close else f"write one of {', '.join(choices)}"
    return None


def _hint(field: FieldInfo | None) -> str:
    if field is None:
        return "see `xlt config schema`"
    default = field.default
    parts = [field.description] if field.description else []
    if default is not PydanticUndefined and not hasattr(default, "model_fields"):
        parts.append(f"the default is {show(default)}")
    return "; ".join(parts) or "see `xlt config schema`"
