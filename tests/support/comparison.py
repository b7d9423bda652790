"""What derive, simplify and compile make of a random case, against JAX; errors as one number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import sympy

import symbackprop as sb
from symbackprop.interpreter import evaluate
from symbackprop.normal import normalise
from symbackprop.notation import Definition, Program, Tensor
from symbackprop.simplification import simplify
from tests.support import jax_oracle
from tests.support.jaxpr_values import DIGITS
from tests.support.random_programs import Case, random_case, sized
from tests.support.verdicts import TIMES, Truth, error, of_jax, of_program, verdict

TOLERANCE = 1e-10
SINGLE = 2e-5
ODD = 1, 3, 5, 7, 11, 13, 67  # batches that no tile divides
EVEN = 2, 4, 8, 16, 64, 128


def gradients(case: Case, dtype=jax_oracle.jnp.float64) -> list[np.ndarray]:
    """The loss and its gradient by each tensor of case.wrt, by JAX."""
    return jax_oracle.gradients(case.program, case.loss, case.wrt, case.values, case.sizes, dtype)


def reference(case: Case) -> list[np.ndarray]:
    """The same in float64, where it must be finite."""
    found = gradients(case)
    assert all(np.isfinite(array).all() for array in found), f"JAX: not finite\n{case}"
    return found


def referenced(*seed: int, **options: Any) -> tuple[Case, list[np.ndarray]]:
    """A random case and what JAX makes of it; drawn again where JAX has no finite gradient."""
    for again in range(5):
        case = random_case(*seed, *([again] if again else []), **options)
        found = gradients(case)
        if all(np.isfinite(array).all() for array in found):
            return case, found
    raise AssertionError(f"JAX: not finite in five draws\n{case}")


def agree(found: Iterable[np.ndarray], expected: Iterable[np.ndarray], tolerance: float,
          truth: Truth, formulas: Callable[[], list[np.ndarray]], what: str) -> float:
    """The error of what was found; asserts that it is as small as it can be."""
    worst, allowed = verdict(found, expected, tolerance, truth, formulas)
    assert worst <= allowed, f"{what} {worst:.1e}, allowed {allowed:.1e}"
    return worst


def truth_of(case: Case, dtype=jax_oracle.jnp.float64) -> Truth:
    """The loss and its gradients by JAX, in 50 digits, or in a dtype and rounded at random."""
    function, chosen = jax_oracle.value_and_gradients(
        case.program, case.loss, case.wrt, case.values, case.sizes, dtype)
    return of_jax(function, chosen, dtype)


def wanted(case: Case) -> list[Tensor]:
    """The loss and its derivatives, as tensors with definitions."""
    derivation = sb.derive(case.loss, case.wrt)
    return [case.loss, *(derivation.gradient(tensor) for tensor in case.wrt)]


def evaluated(program: Program, outputs: list[Tensor], case: Case,
              digits: int | None = None) -> list[np.ndarray]:
    """The values of some tensors of a program by the interpreter, to so many digits."""
    arrays = evaluate(program, given_to(program, case), digits)
    return [arrays[tensor] for tensor in outputs]


def given_to(program: Program, case: Case) -> dict[Any, Any]:
    """The values of the case that a program reads: of inputs, and of sizes that no input has."""
    given: dict[Any, Any] = {t: v for t, v in case.values.items() if t in program.inputs}
    sizes = {name: length for name, length in case.sizes.items()
             if not any(str(axis) == name for t in program.inputs for axis in t.axes)
             and any(_reads(d, name) for d in program)}
    return {**given, **sizes}


def _reads(definition: Definition, name: str) -> bool:
    parts = (definition.body, *definition.indices, *definition.over)
    return any(part.has(sb.size(name)) for part in parts)


def check_values(*seed: int) -> None:
    """The values of a declared program are those of JAX, and those in 50 digits."""
    case = random_case(*seed, layers=None)
    inputs, tensors = list(case.values), [d.target for d in case.program]
    run = jax_oracle.forward(case.program, case.sizes)

    def theirs(arrays: list[np.ndarray]) -> list[np.ndarray]:
        found = run(dict(zip(inputs, arrays, strict=True)))
        return [found[tensor] for tensor in tensors]

    arrays = list(case.values.values())
    ours, truth = evaluated(case.program, tensors, case), of_jax(theirs, arrays)
    exact = evaluated(case.program, tensors, case, DIGITS)
    for expected in (list(map(np.asarray, theirs(arrays))), exact):
        agree(ours, expected, 1e-12, truth, lambda: exact, f"{case}\nrelative error")


def check_gradients(*seed: int, layers: bool = False) -> float:
    """The error of the derived gradients, by the interpreter; asserts that it is small."""
    case, expected = referenced(*seed, layers=layers)
    outputs = wanted(case)
    derived = sb.program(outputs)
    return agree(evaluated(derived, outputs, case), expected, TOLERANCE, truth_of(case),
                 lambda: evaluated(derived, outputs, case, DIGITS), f"{case}\nrelative error")


def check_passes(*seed: int) -> None:
    """normalise and simplify change no value, and none of its digits."""
    case = random_case(*seed, layers=None)
    tensors = [d.target for d in case.program]
    declared = evaluated(case.program, tensors, case)
    everything = Program(case.program.definitions, tuple(tensors))
    normal = normalise(everything)
    truth = of_program(case.program, tensors, given_to(case.program, case))
    for name, after in (("normalise", normal), ("simplify", simplify(normal))):
        agree(evaluated(after, tensors, case), declared, TOLERANCE, truth,
              lambda after=after: evaluated(after, tensors, case, DIGITS),
              f"{case}\n{name} changes a value by")


def check_hessian(*seed: int) -> None:
    """The derivative of the sum of ∂L/∂w² is 2·H·∂L/∂w, with H from jax.hessian."""
    case = random_case(*seed, small=True)
    by = case.wrt[0]
    gradient = sb.derive(case.loss, [by]).gradient(by)
    if not sized(sb.program(gradient)):
        return  # e.g. 1/N where nothing is left that has N rows
    letters = gradient.letters
    squared = gradient.at(*letters)**2
    norm = sb.define("norm", (), sympy.Sum(squared, *letters) if letters else squared)
    function, value = jax_oracle.norm_of_gradient(
        case.program, case.loss, by, case.values, case.sizes)
    expected, hessian = (np.asarray(found) for found in jax_oracle.jax.jit(function)(value))
    if by not in sb.program(norm).inputs:
        left = np.abs(hessian).max()
        assert left < TOLERANCE, f"the gradient does not read {by}: {left:.1e}\n{case}"
        return
    second = sb.derive(norm, [by]).gradient(by)
    program = sb.program(second)
    truth = of_jax(lambda value: function(value)[:1], value)
    agree(evaluated(program, [second], case), [expected], 1e-9, truth,
          lambda: evaluated(program, [second], case, DIGITS), f"{case}\nby {by}: relative error")


def check_kernel(*seed: int, batches: tuple[int, ...] = ODD, layers: bool = False,
                 single: bool = True) -> bool:
    """Compiled gradients against JAX in float64, and in float32; whether a GEMM was emitted."""
    case, expected = referenced(*seed, batches=batches, layers=layers)
    outputs = wanted(case)
    derived = sb.program(outputs)
    kernel = sb.compile(outputs, dtype="float64")
    names = {case.program.names[t] for t in derived.inputs}
    given = {name: value for name, value in case.named.items() if name in names}

    def formulas() -> list[np.ndarray]:
        return evaluated(derived, outputs, case, DIGITS)

    truth = truth_of(case)
    agree(kernel(**given), expected, TOLERANCE, truth, formulas, f"{case}\nfloat64 kernel:")
    if single:
        found = sb.compile(outputs, dtype="float32")(**given)
        lower = jax_oracle.jnp.float32
        own = error(gradients(case, lower), expected)  # infinite, say, where 1 - sigmoid(t) is 0
        allowed = max(SINGLE, TIMES*own if np.isfinite(own) else 0)
        truth = replace(truth, rounded=truth_of(case, lower).rounded)
        agree(found, expected, allowed, truth, formulas, f"{case}\nfloat32 kernel:")
    return "gemm_" in kernel.source.split("def ", 1)[1]
