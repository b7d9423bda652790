"""The printed lines of a derivation, read back by the grammar and compared with its definitions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

import symbackprop as sb
from symbackprop.interpreter import evaluate
from symbackprop.notation import Program, Tensor
from symbackprop.printing.index import definition_text
from symbackprop.printing.matrix import matrix_names
from tests.support import matrix_reader


def whole(derivation: sb.Derivation) -> Program:
    """The forward program as declared, and after it what the derivation adds."""
    declared = {f.target for f in derivation.forward}
    added = (d for d in derivation.backward if d.target not in declared)
    parts = (part.definition for part in derivation.parts)
    return Program((*derivation.forward, *added, *parts), ())


def read_back(derivation: sb.Derivation, values: Mapping[Tensor, Any]) -> tuple[int, int]:
    """How many lines there are, and how many of them in matrix form; each means its definition."""
    true = evaluate(whole(derivation), values)
    plain = derivation.names
    names = matrix_names(plain)
    known = {names[t]: true.get(t, values.get(t)) for t in names if t in true or t in values}
    known["π"] = math.pi
    sizes = {str(axis): length for t, value in true.items()
             for axis, length in zip(t.axes, np.shape(value), strict=True)
             if isinstance(axis, sympy.Symbol)}
    lines = derivation.text("matrix").split("\n")
    matrices = 0
    for printed, definition in zip(lines, derivation.presented(), strict=True):
        if not matrix_reader.readable(printed, {**sizes, **known}):
            assert printed == definition_text(definition, plain)
            continue
        expected = true[definition.target]
        side = expected.shape[0] if expected.ndim else 1
        name, found = matrix_reader.line(printed, {**sizes, **known}, side)
        assert name == names[definition.target]
        np.testing.assert_allclose(matrix_reader.shaped(found, expected.shape), expected,
                                   rtol=1e-8, atol=1e-10, err_msg=printed)
        matrices += 1
    return len(lines), matrices
