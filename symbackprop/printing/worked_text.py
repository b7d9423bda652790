"""Worked numbers as text: forward, local derivatives, backward, one weight's chain, one step.

    ∂t2/∂a|t1       the local derivative of t2 = a·t1 by a, where t1 reads a too: t1 is held fixed

One symbol stands for one number: ∂t2/∂a is the whole derivative, through t1 as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symbackprop.notation import Program, Tensor
from symbackprop.operations import Number
from symbackprop.printing.index import right_hand_side
from symbackprop.printing.numbers import array_text, number_text, shape_text
from symbackprop.printing.text import text
from symbackprop.worked import Factor, Item, held_fixed

__all__ = ["chain_lines", "first_lines", "network_lines", "scalar_lines", "step_lines"]

MOST = 60  # local derivatives of a network that are written out
EXPLAINED = 12  # sums over paths that are written out
HELD = 3  # names that are written out after |

Held = Mapping[tuple[int, int], Sequence[int]]


def scalar_lines(items: Sequence[Item]) -> list[str]:
    """Every operation with its value, its local derivatives and its adjoint."""
    loss = items[-1].name
    inputs = [item for item in items if item.name and not item.slopes]
    lines = ["values", *(f"  {item.name} = {number_text(item.value)}" for item in inputs)]
    held = held_fixed(items, range(len(items)))
    lines += [_heading("forward, and local derivatives", items, held)]
    rows = []
    for at, item in enumerate(items):
        if item.slopes:
            slopes = [f"{_local(items, at, s.operand, held)} = "
                      f"{_equal(s.formula, number_text(s.value))}"
                      for s in item.slopes if items[s.operand].name]
            rows.append((f"  {item.name} = {_equal(item.formula, number_text(item.value))}",
                         ",  ".join(slopes)))
    width = max((len(left) for left, _ in rows), default=0)
    lines += [f"{left:{width}}    {right}".rstrip() for left, right in rows]
    return [*lines, "backward", f"  ∂{loss}/∂{loss} = 1", *_backward(items, held)]


def _equal(formula: str, number: str) -> str:
    return number if formula in ("", number) else f"{formula} = {number}"


def _backward(items: Sequence[Item], held: Held) -> list[str]:
    loss, last = items[-1].name, len(items) - 1
    users: dict[int, list[tuple[int, Number]]] = {}
    for at, item in enumerate(items):
        for slope in item.slopes:
            users.setdefault(slope.operand, []).append((at, slope.value))
    lines = []
    for at in range(last - 1, -1, -1):
        item = items[at]
        if not item.name:
            continue
        left = f"∂{loss}/∂{item.name}"
        spelled = [(f"{_ratio(items, last, user)}·{_local(items, user, at, held)}",
                    f"{_bracketed(items[user].adjoint)}·{_bracketed(partial)}")
                   if user != last else (_local(items, last, at, held), _bracketed(partial))
                   for user, partial in users.get(at, [])]
        steps = [" + ".join(side) for side in zip(*spelled, strict=True)] if spelled else []
        parts = dict.fromkeys([left, *steps, number_text(item.adjoint)])
        if len(spelled) == 1 and users[at][0][0] == last:
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
    slopes = [(at, slope) for at, item in enumerate(items) for slope in item.slopes
              if items[slope.operand].name]
    if slopes:
        shown = slopes[:MOST]
        held = held_fixed(items, [slope.operand for _, slope in shown])
        lines += [_heading("local derivatives", items, held),
                  *(f"  {_local(items, at, slope.operand, held)} = {number_text(slope.value)}"
                    for at, slope in shown)]
        if len(slopes) > MOST:
            lines.append(f"  … and {len(slopes) - MOST} more in .derivatives")
    lines.append("backward")
    keys = [*(d.target for d in reversed(program.definitions)),
            *(key for key in names if key not in defined)]
    lines += [f"  ∂{loss}/∂{names[key]} = {array_text(adjoints[names[key]])}" for key in keys]
    return lines


def chain_lines(items: Sequence[Item], weight: int,
                chains: Mapping[int, Sequence[Factor]]) -> list[str]:
    """The chain-rule product of one weight, then the sums over paths that it holds."""
    loss, name = items[-1].name, items[weight].name
    summed = [factor for factors in chains.values() for factor in factors if factor.terms]
    held = held_fixed(items, [factor.below for factor in summed])
    met = {(user, factor.below): held[user, factor.below] for factor in summed
           for user, _, _ in factor.terms if (user, factor.below) in held}
    lines = [_heading(f"chain rule for {name}", items, met)]
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
            lines += _sum_lines(items, factor, held)
    return lines


def first_lines(loss: str, name: str, terms: Sequence[tuple[str, Sequence[str], Number, Number]],
                adjoint: Number) -> list[str]:
    """The derivative by a weight of a large network as a sum over the entries that read it."""
    left = f"∂{loss}/∂{name}"
    pad, shown = " " * len(left), terms[:EXPLAINED]
    more = [f"… {len(terms) - EXPLAINED} more"] if len(terms) > EXPLAINED else []
    names, numbers = [], []
    for entry, held, upward, partial in shown:
        first = ("", "") if entry == loss else (f"∂{loss}/∂{entry}·", f"{_bracketed(upward)}·")
        names.append(f"{first[0]}∂{entry}/∂{name}{_fixed(held)}")
        numbers.append(f"{first[1]}{_bracketed(partial)}")
    fixed = next(((entry, held[0]) for entry, held, _, _ in shown if held), None)
    lines = [f"chain rule for {name}" + _meaning(f"∂{fixed[0]}/∂{name}", fixed[1])
             if fixed else f"chain rule for {name}"]
    if not terms or names == [left]:
        return [*lines, f"  {left} = {number_text(adjoint)}"]
    return [*lines, f"  {left} = {' + '.join(names + more)}",
            f"  {pad} = {' + '.join(numbers + more)}", f"  {pad} = {number_text(adjoint)}"]


def _sum_lines(items: Sequence[Item], factor: Factor, held: Held) -> list[str]:
    if not factor.terms:
        return []
    left = _ratio(items, factor.above, factor.below)
    pad = " " * len(left)
    names, numbers = [], []
    for user, upward, partial in factor.terms:
        direct = user == factor.above
        names.append(("" if direct else _ratio(items, factor.above, user) + "·")
                     + _local(items, user, factor.below, held))
        numbers.append(("" if direct else _bracketed(upward) + "·") + _bracketed(partial))
    return [f"  {left} = {' + '.join(names)}", f"  {pad} = {' + '.join(numbers)}",
            f"  {pad} = {number_text(factor.value)}"]


def _ratio(items: Sequence[Item], above: int, below: int) -> str:
    return f"∂{items[above].name}/∂{items[below].name}"


def _local(items: Sequence[Item], above: int, below: int, held: Held) -> str:
    """∂above/∂below, with |t where above reads below through t too."""
    return _ratio(items, above, below) + _fixed(
        [items[at].name for at in held.get((above, below), ())])


def _fixed(names: Sequence[str]) -> str:
    """|t1,t2: what a local derivative holds fixed, nothing where that needs no word."""
    more = ",…" if len(names) > HELD else ""
    return f"|{','.join(names[:HELD])}{more}" if names else ""


def _heading(title: str, items: Sequence[Item], held: Held) -> str:
    """A title that says what | means where it is used below."""
    if not held:
        return title
    (above, below), fixed = min(held.items())
    return title + _meaning(_ratio(items, above, below), items[fixed[0]].name)


def _meaning(ratio: str, fixed: str) -> str:
    return f" ({ratio}|{fixed}: {fixed} is held fixed)"


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
