"""Worked numbers as text: forward, local derivatives, backward, one weight's chain, one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symbackprop.notation import Program, Tensor
from symbackprop.operations import Number
from symbackprop.printing.index import right_hand_side
from symbackprop.printing.numbers import array_text, number_text, shape_text
from symbackprop.printing.text import text
from symbackprop.worked import Factor, Item

__all__ = ["chain_lines", "first_lines", "network_lines", "scalar_lines", "step_lines"]

MOST = 60  # local derivatives of a network that are written out
EXPLAINED = 12  # sums over paths that are written out


def scalar_lines(items: Sequence[Item]) -> list[str]:
    """Every operation with its value, its local derivatives and its adjoint."""
    loss = items[-1].name
    inputs = [item for item in items if item.name and not item.slopes]
    lines = ["values", *(f"  {item.name} = {number_text(item.value)}" for item in inputs)]
    lines += ["forward, and local derivatives"]
    rows = []
    for item in items:
        if item.slopes:
            slopes = [f"∂{item.name}/∂{items[s.operand].name} = "
                      f"{_equal(s.formula, number_text(s.value))}"
                      for s in item.slopes if items[s.operand].name]
            rows.append((f"  {item.name} = {_equal(item.formula, number_text(item.value))}",
                         ",  ".join(slopes)))
    width = max((len(left) for left, _ in rows), default=0)
    lines += [f"{left:{width}}    {right}".rstrip() for left, right in rows]
    return [*lines, "backward", f"  ∂{loss}/∂{loss} = 1", *_backward(items)]


def _equal(formula: str, number: str) -> str:
    return number if formula in ("", number) else f"{formula} = {number}"


def _backward(items: Sequence[Item]) -> list[str]:
    loss = items[-1].name
    users: dict[int, list[tuple[Item, Number]]] = {}
    for item in items:
        for slope in item.slopes:
            users.setdefault(slope.operand, []).append((item, slope.value))
    lines = []
    for at in range(len(items) - 2, -1, -1):
        item = items[at]
        if not item.name:
            continue
        left = f"∂{loss}/∂{item.name}"
        spelled = [(f"∂{loss}/∂{user.name}·∂{user.name}/∂{item.name}",
                    f"{_bracketed(user.adjoint)}·{_bracketed(partial)}")
                   if user is not items[-1] else (left, _bracketed(partial))
                   for user, partial in users.get(at, [])]
        steps = [" + ".join(side) for side in zip(*spelled, strict=True)] if spelled else []
        parts = dict.fromkeys([left, *steps, number_text(item.adjoint)])
        if len(spelled) == 1 and users[at][0][0] is items[-1]:
            parts = dict.fromkeys([left, number_text(item.adjoint)])
        lines.append("  " + " = ".join(parts))
    return lines


def _bracketed(number: Number) -> str:
    shown = number_text(number)
    return f"({shown})" if shown.startswith("−") else shown


def network_lines(program: Program, names: Mapping[Any, str], values: Mapping[str, Any],
                  adjoints: Mapping[str, Any], items: Sequence[Item]) -> list[str]:
    """Every tensor with its values, the derivatives between entries, every adjoint."""
    loss = names[program.outputs[0]]
    lines = ["values"]
    defined = {d.target for d in program}
    for key, name in names.items():
        if key not in defined:
            kind = key.role if isinstance(key, Tensor) else "number"
            shape = shape_text(getattr(values[name], "shape", ()))
            lines.append(f"  {name} = {array_text(values[name])}   "
                         f"({kind}{', ' + shape if shape else ''})")
    lines.append("forward")
    for definition in program:
        name = names[definition.target]
        letters = ",".join(str(index.label) for index in definition.indices)
        left = f"{name}[{letters}]" if letters else name
        lines += [f"  {left} = {text(right_hand_side(definition), names)}",
                  f"  {' ' * len(left)} = {array_text(values[name])}"]
    slopes = [f"  ∂{item.name}/∂{items[slope.operand].name} = {number_text(slope.value)}"
              for item in items for slope in item.slopes if items[slope.operand].name]
    if slopes:
        lines += ["local derivatives", *slopes[:MOST]]
        if len(slopes) > MOST:
            lines.append(f"  … and {len(slopes) - MOST} more in .derivatives")
    lines.append("backward")
    shown = [*(d.target for d in reversed(program.definitions)),
             *(key for key in names if key not in defined)]
    lines += [f"  ∂{loss}/∂{names[key]} = {array_text(adjoints[names[key]])}" for key in shown]
    return lines


def chain_lines(items: Sequence[Item], weight: int,
                chains: Mapping[int, Sequence[Factor]]) -> list[str]:
    """The chain-rule product of one weight, then the sums over paths that it holds."""
    loss, name = items[-1].name, items[weight].name
    lines = [f"chain rule for {name}"]
    for start, factors in chains.items():
        left = f"∂{loss}/∂{items[start].name}"
        if not factors:
            lines.append(f"  {left} = 0, no path leads from it to {loss}")
            continue
        pad = " " * len(left)
        spelled = " · ".join(_ratio(items, f.above, f.below) for f in factors)
        if spelled != left:
            numbers = " · ".join(_bracketed(f.value) for f in factors)
            lines += [f"  {left} = {spelled}", f"  {pad} = {numbers}",
                      f"  {pad} = {number_text(items[start].adjoint)}"]
        for factor in factors:
            lines += _sum_lines(items, factor)
    return lines


def first_lines(loss: str, name: str, terms: Sequence[tuple[str, Number, Number]],
                adjoint: Number) -> list[str]:
    """The derivative by a weight of a large network as a sum over the entries that read it."""
    left = f"∂{loss}/∂{name}"
    pad, shown = " " * len(left), terms[:EXPLAINED]
    more = [f"… {len(terms) - EXPLAINED} more"] if len(terms) > EXPLAINED else []
    names = [f"∂{loss}/∂{entry}·∂{entry}/∂{name}" for entry, _, _ in shown]
    numbers = [f"{_bracketed(upward)}·{_bracketed(partial)}" for _, upward, partial in shown]
    lines = [f"chain rule for {name}"]
    if not terms:
        return [*lines, f"  {left} = {number_text(adjoint)}"]
    return [*lines, f"  {left} = {' + '.join(names + more)}",
            f"  {pad} = {' + '.join(numbers + more)}", f"  {pad} = {number_text(adjoint)}"]


def _sum_lines(items: Sequence[Item], factor: Factor) -> list[str]:
    if not factor.terms:
        return []
    left = _ratio(items, factor.above, factor.below)
    pad = " " * len(left)
    names, numbers = [], []
    for user, upward, partial in factor.terms:
        direct = user == factor.above
        names.append(("" if direct else _ratio(items, factor.above, user) + "·")
                     + _ratio(items, user, factor.below) + (" (direct)" if direct else ""))
        numbers.append(("" if direct else _bracketed(upward) + "·") + _bracketed(partial))
    return [f"  {left} = {' + '.join(names)}", f"  {pad} = {' + '.join(numbers)}",
            f"  {pad} = {number_text(factor.value)}"]


def _ratio(items: Sequence[Item], above: int, below: int) -> str:
    return f"∂{items[above].name}/∂{items[below].name}"


def step_lines(rate: Number, loss: str, rows: Sequence[tuple[str, Any, Any, Any]]) -> list[str]:
    """One step of gradient descent; rows: name, value, adjoint, new value."""
    shown = number_text(rate)
    lines = [f"one gradient step, w ← w − {shown}·∂{loss}/∂w"]
    for name, value, adjoint, new in rows:
        work = f"{array_text(value)} − {_bracketed(rate)}·{array_text(adjoint)}"
        if getattr(value, "shape", ()):
            lines.append(f"  {name} ← {array_text(new)}")
        else:
            work = f"{number_text(value)} − {_bracketed(rate)}·{_bracketed(adjoint)}"
            lines.append(f"  {name} ← {work} = {number_text(new)}")
    return lines
