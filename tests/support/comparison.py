"""What derive, simplify and compile make of a random case, against JAX; errors as one number."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import sympy

import symbackprop as sb
from symbackprop.interpreter import evaluate
from symbackprop.normal import normalise
from symbackprop.notation import Definition, Program, Tensor
from symbackprop.simplification import simplify
from tests.support import jax_oracle
from tests.support.random_programs import Case, random_case, sized

TOLERANCE = 1e-10
SINGLE = 2e-5
ODD = 1, 3, 5, 7, 11, 13, 67  # batches that no tile divides
EVEN = 2, 4, 8, 16, 64, 128
SMALLEST = 1e-3  # a gradient smaller than this is compared with this


def reference(case: Case, dtype=jax_oracle.jnp.float64) -> list[np.ndarray]:
    """The loss and its gradient by each tensor of case.wrt, by JAX."""
    found = jax_oracle.gradients(case.program, case.loss, case.wrt, case.values, case.sizes, dtype)
    assert all(np.isfinite(array).all() for array in found), f"JAX: not finite\n{case}"
    return found


def error(found: Iterable[np.ndarray], expected: Iterable[np.ndarray]) -> float:
    """The largest error, relative to the largest entry of each array."""
    worst = 0.0
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape, f"shape {ours.shape} for {theirs.shape}"
        if theirs.size:
            gap = np.abs(np.asarray(ours, float) - theirs).max()
            scale = max(np.abs(theirs).max(), SMALLEST)
            worst = max(worst, gap/scale if np.isfinite(gap) else np.inf)
    return worst


def wanted(case: Case) -> list[Tensor]:
    """The loss and its derivatives, as tensors with definitions."""
    derivation = sb.derive(case.loss, case.wrt)
    return [case.loss, *(derivation.gradient(tensor) for tensor in case.wrt)]


def evaluated(program: Program, outputs: list[Tensor], case: Case) -> list[np.ndarray]:
    """The values of some tensors of a program by the interpreter."""
    given = {t: v for t, v in case.values.items() if t in program.inputs}
    sizes = {name: length for name, length in case.sizes.items()
             if not any(str(axis) == name for t in program.inputs for axis in t.axes)
             and any(_reads(d, name) for d in program)}
    arrays = evaluate(program, {**given, **sizes})
    return [arrays[tensor] for tensor in outputs]


def _reads(definition: Definition, name: str) -> bool:
    parts = (definition.body, *definition.indices, *definition.over)
    return any(part.has(sb.size(name)) for part in parts)


def check_gradients(*seed: int) -> float:
    """The error of the derived gradients, by the interpreter; asserts that it is small."""
    case = random_case(*seed, layers=None)
    expected, outputs = reference(case), wanted(case)
    found = evaluated(sb.program(outputs), outputs, case)
    worst = error(found, expected)
    assert worst <= TOLERANCE, f"relative error {worst:.1e}\n{case}"
    return worst


def check_passes(*seed: int) -> None:
    """normalise and simplify change no value, and simplify is at rest after one call."""
    case = random_case(*seed, layers=None)
    tensors = [d.target for d in case.program]
    declared = evaluated(case.program, tensors, case)
    everything = Program(case.program.definitions, tuple(tensors))
    normal = normalise(everything)
    worst = error(evaluated(normal, tensors, case), declared)
    assert worst <= TOLERANCE, f"normalise changes a value by {worst:.1e}\n{case}"
    simple = simplify(normal)
    worst = error(evaluated(simple, tensors, case), declared)
    assert worst <= TOLERANCE, f"simplify changes a value by {worst:.1e}\n{case}"


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
    hessian = jax_oracle.hessian(case.program, case.loss, by, case.values, case.sizes)
    if by not in sb.program(norm).inputs:
        left = np.abs(hessian).max()
        assert left < TOLERANCE, f"the gradient does not read {by}: {left:.1e}\n{case}"
        return
    second = sb.derive(norm, [by]).gradient(by)
    program = sb.program([gradient, second])
    first, found = evaluated(program, [gradient, second], case)
    expected = 2*np.tensordot(hessian, first, axes=first.ndim) if first.ndim else 2*hessian*first
    worst = error([found], [np.asarray(expected)])
    assert worst <= 1e-9, f"relative error {worst:.1e} by {by}\n{case}"


def check_kernel(*seed: int, batches: tuple[int, ...] = ODD, layers: bool = False,
                 single: bool = True) -> bool:
    """Compiled gradients against JAX in float64, and in float32; whether a GEMM was emitted."""
    case = random_case(*seed, batches=batches, layers=layers)
    expected, outputs = reference(case), wanted(case)
    kernel = sb.compile(outputs, dtype="float64")
    names = {case.program.names[t] for t in sb.program(outputs).inputs}
    given = {name: value for name, value in case.named.items() if name in names}
    worst = error(kernel(**given), expected)
    assert worst <= TOLERANCE, f"float64 kernel: relative error {worst:.1e}\n{case}"
    if single:
        found = sb.compile(outputs, dtype="float32")(**given)
        allowed = max(SINGLE, 4*error(reference(case, jax_oracle.jnp.float32), expected))
        worst = error(found, expected)
        assert worst <= allowed, f"float32 kernel: {worst:.1e}, allowed {allowed:.1e}\n{case}"
    return "gemm_" in kernel.source.split("def ", 1)[1]
