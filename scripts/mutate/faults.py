"""Small faults that a module could have, one at a time."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

OPERATORS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,), ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,), ast.Mod: (ast.Mult,), ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,),
    ast.And: (ast.Or,), ast.Or: (ast.And,),
}  # fmt: skip
TERMS = (ast.Add, ast.Sub, ast.Mult, ast.BitAnd, ast.BitOr)
"""Operators of which one operand may be left out."""
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """A module with one fault. change: what stands at the line, and what does instead.

    lines: those of the statement that is changed, None if it runs when the module is imported.
    """

    line: int
    change: str
    tree: ast.Module
    lines: range | None


def alternatives(node: ast.AST) -> Iterator[ast.AST]:
    """Every faulty form of one node, its children as they are."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in OPERATORS.get(type(operator), ()):
                changed = copy.deepcopy(node)
                changed.ops[place] = other()  # type: ignore[call-overload]
                yield changed
    elif isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp):
        for other in OPERATORS.get(type(node.op), ()):
            swapped = copy.deepcopy(node)
            swapped.op = other()  # type: ignore[assignment]
            yield swapped
        if isinstance(node, ast.BinOp) and isinstance(node.op, TERMS):
            yield from (node.left, node.right)
    elif isinstance(node, ast.If | ast.While | ast.IfExp):
        negated = copy.deepcopy(node)
        negated.test = ast.UnaryOp(ast.Not(), negated.test)
        yield negated
    elif isinstance(node, ast.comprehension):
        for place in range(len(node.ifs)):
            unfiltered = copy.deepcopy(node)
            del unfiltered.ifs[place]
            yield unfiltered
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif isinstance(node.value, int):
            yield ast.Constant(node.value + 1)
        elif isinstance(node.value, float):
            yield ast.Constant(node.value * 1.5 + 0.1)
    elif isinstance(node, ast.Name) and node.id in NAMES and isinstance(node.ctx, ast.Load):
        yield ast.Name(NAMES[node.id], ast.Load())
    elif isinstance(node, ast.Continue):
        yield ast.Break()
    elif isinstance(node, ast.Break):
        yield ast.Pass()


class _Sites(ast.NodeTransformer):
    """Counts the faults that a tree could have; puts the one of number `wanted` in."""

    def __init__(self, wanted: int = -1) -> None:
        self.wanted, self.count = wanted, 0
        self.line, self.change = 0, ""
        self.lines: range | None = None
        self._statements: list[ast.stmt] = []

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Assert | ast.JoinedStr):
            return node
        if isinstance(node, ast.keyword) and node.arg == "strict":
            return node
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return node
        if isinstance(node, ast.stmt):
            self._statements.append(node)
            try:
                return self._change(node)
            finally:
                self._statements.pop()
        return self._change(node)

    def _change(self, node: ast.AST) -> ast.AST:
        chosen = node
        for other in alternatives(node):
            if self.count == self.wanted:
                self.line = getattr(node, "lineno", 0) or getattr(
                    getattr(node, "iter", None), "lineno", 0
                )
                self.change = f"{_brief(node)}  →  {_brief(other)}"
                self.lines = _runs_at(self._statements)
                chosen = other
            self.count += 1
        if chosen is not node:
            return chosen
        for name, value in ast.iter_fields(node):
            if name not in ("annotation", "returns", "decorator_list", "type_params"):
                self._visit_field(node, name, value)
        return node

    def _visit_field(self, node: ast.AST, name: str, value: object) -> None:
        if isinstance(value, ast.AST):
            setattr(node, name, self.visit(value))
        elif isinstance(value, list):
            value[:] = [self.visit(one) if isinstance(one, ast.AST) else one for one in value]


def _runs_at(statements: Sequence[ast.stmt]) -> range | None:
    """The lines of the last of these statements, each inside the one before, without its body."""
    *outer, last = statements
    if not any(isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) for one in outer):
        return None
    body = getattr(last, "body", None)
    end = body[0].lineno - 1 if body else last.end_lineno or last.lineno
    return range(last.lineno, max(end, last.lineno) + 1)


def _brief(node: ast.AST) -> str:
    """The node in one line of source text."""
    if isinstance(node, ast.If | ast.While):
        return f"if {ast.unparse(node.test)}"
    return " ".join(ast.unparse(node).split())[:70]


def count_faults(source: str) -> int:
    """How many mutants a module has."""
    sites = _Sites()
    sites.visit(ast.parse(source))
    return sites.count


def mutant(source: str, number: int) -> Mutant:
    """The mutant of this number, from 0 to `count_faults` - 1."""
    sites = _Sites(number)
    tree = sites.visit(ast.parse(source))
    assert isinstance(tree, ast.Module)
    assert sites.change, f"there is no mutant {number}"
    return Mutant(sites.line, sites.change, ast.fix_missing_locations(tree), sites.lines)
