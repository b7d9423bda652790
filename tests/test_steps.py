"""simplify records each application of a rule: its name, what stood there, what stands there."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from sympy import Expr, Sum, exp, log
from sympy.core.relational import Relational

import symbackprop as sb
from symbackprop.backprop import adjoints
from symbackprop.collect import program
from symbackprop.functions import Iverson
from symbackprop.indexing import free_indices
from symbackprop.normal import normalise, temporary
from symbackprop.notation import Definition, Program, Tensor, tensors_in
from symbackprop.rewriting import Step
from symbackprop.simplification import simplify
from tests.support.comparison import evaluated
from tests.support.random_programs import random_case

STEPS = 5  # a kind, the second number of a seed


def derived(loss: Tensor, wrt: list[Tensor]) -> tuple[list[Step], dict[Tensor, Definition]]:
    """The steps of a derivation, and a definition of every tensor that stood at some end of it."""
    steps: list[Step] = []
    normal = normalise(program(loss))
    forward = simplify(normal, keep=wrt, steps=steps)
    made, found = adjoints(forward, loss, wrt)
    whole = replace(forward, definitions=(*forward.definitions, *made),
                    outputs=(*forward.outputs, *found.values()))
    best = simplify(whole, keep=wrt, settled=len(forward.definitions), steps=steps)
    return steps, {d.target: d for d in (*best, *made, *forward, *normal)}


def in_order(wanted: Sequence[Definition], known: dict[Tensor, Definition]) -> list[Definition]:
    """The wanted definitions after all that they read."""
    made: dict[Tensor, Definition] = {}

    def visit(definition: Definition) -> None:
        for tensor in tensors_in(definition.body):
            if tensor in known and tensor not in made:
                visit(known[tensor])
        made[definition.target] = definition

    for definition in wanted:
        visit(definition)
    return list(made.values())


def sides(step: Step) -> Program:
    """Both sides of a step as definitions over the indices that they read."""
    both = [Iverson(side) if isinstance(side, Relational) else side
            for side in (step.before, step.after)]
    letters = tuple(dict.fromkeys(i for side in both for i in free_indices(side)))
    made = tuple(temporary(side, letters) for side in both)
    return normalise(Program(made, tuple(d.target for d in made)))


def readable(expr: Expr, known: dict[Tensor, Definition]) -> bool:
    return all(tensor.role != "intermediate" or tensor in known for tensor in tensors_in(expr))


@pytest.mark.parametrize("chunk", range(6))
def test_what_stood_before_a_step_equals_what_stands_there_after(chunk, seed):
    checked = 0
    for number in range(5*chunk, 5*chunk + 5):
        case = random_case(seed, STEPS, number, layers=None)
        steps, known = derived(case.loss, case.wrt)
        for step in dict.fromkeys(steps):
            if not all(readable(side, known) for side in (step.before, step.after)):
                continue
            both = sides(step)
            whole = replace(both, definitions=tuple(in_order(both.definitions, known)))
            before, after = evaluated(whole, list(both.outputs), case)
            np.testing.assert_allclose(after, before, rtol=1e-8, atol=1e-10,
                                       err_msg=f"{step}\n{case}")
            checked += 1
    assert checked


def test_no_definition_changes_without_a_step(seed):
    for number in range(40):
        case = random_case(seed, STEPS, 100 + number, layers=None)
        normal = normalise(program(case.loss))
        steps: list[Step] = []
        old = {d.target: d for d in normal}
        for new in simplify(normal, keep=case.wrt, steps=steps):
            before = old.get(new.target)
            if before not in (None, new):
                assert any(step.target == new.element for step in steps), f"{new}\n{case}"
        assert all(step.target is not None and step.before != step.after for step in steps)


def test_the_steps_of_a_softmax_name_rows_about_sums_and_other_definitions():
    n, k = sb.indices("n k", sb.size("N"), 4)
    z, y = sb.parameter("z", n, k), sb.data("y", n, k, facts=[sb.one_hot(k)])
    p = sb.define("p", (n, k), exp(z[n, k])/Sum(exp(z[n, k]), k))
    loss = sb.define("L", (), -Sum(y[n, k]*log(p[n, k]), n, k))
    steps, _ = derived(loss.tensor, [z])
    assert [step.rule for step in steps if step.target == p[n, k]] == [
        "exponentials written out", "exponentials combine"]
    (fact,) = (step for step in steps if step.rule == "fact")
    assert isinstance(fact.before, Sum)
    assert fact.before.function.has(y[n, k])
