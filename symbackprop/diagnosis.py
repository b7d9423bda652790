"""diagnose(loss): the shapes of a net, what its formulas prove, and how its gradients fare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from symbackprop.checks import verify, verify_loss
from symbackprop.collect import program
from symbackprop.declare import tensor_of
from symbackprop.derivation import Derivation
from symbackprop.flow import Flow, flow
from symbackprop.notation import Program
from symbackprop.provable import Finding, findings
from symbackprop.shapes import Shapes, shapes

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """shapes: a table of tensors; findings: what is proven; flow: gradients at given data, if any.

    `print(diagnosis)` shows all three.
    """

    program: Program
    shapes: Shapes
    findings: tuple[Finding, ...]
    flow: Flow | None = None

    def __str__(self) -> str:
        parts = [str(self.shapes), *map(str, self.findings)]
        return "\n\n".join([*parts, str(self.flow)] if self.flow else parts)


def diagnose(loss: Any, values: Mapping[Any, Any] | None = None, tensors: Sequence[Any] = ()
             ) -> Diagnosis:
    """What the formulas of a loss prove, and, at values, how its gradients flow.

    loss: a rank-0 tensor, an expression of such, or its Derivation; values: an array for each
    input by name or tensor, as for `sb.evaluate`; tensors: others that should matter to the loss
    (one that is not read is reported).  Raises what `sb.derive` and `sb.evaluate` raise.

    >>> from sympy import Sum, exp, log
    >>> import symbackprop as sb
    >>> n, i, k = sb.indices("n i k", sb.size("N"), 4, 3)
    >>> x, y = sb.data("x", n, i), sb.data("y", n, k, facts=[sb.one_hot(k)])
    >>> W, b = sb.parameter("W", i, k), sb.parameter("b", k)
    >>> z = sb.define("z", (n, k), Sum(x[n, i]*W[i, k], i) + b[k])
    >>> p = sb.define("p", (n, k), exp(z[n, k])/Sum(exp(z[n, k]), k))
    >>> L = sb.define("L", (), -Sum(y[n, k]*log(p[n, k]), n, k))
    >>> for finding in sb.diagnose(L).findings:
    ...     print(finding.statement)
    W is not identifiable: adding c[i] to W[i,k] for all k leaves L unchanged
    b is not identifiable: adding c to b[k] for all k leaves L unchanged
    L is convex in W and b together
    """
    declared = loss.forward if isinstance(loss, Derivation) else program(loss)
    if isinstance(loss, Derivation):
        declared = Program(declared.definitions, (loss.loss,))
    verify(declared)
    verify_loss(declared)
    asked = tuple(tensor_of(t, "diagnose(…)") for t in tensors)
    measured = None if values is None else flow(declared, values)
    return Diagnosis(declared, shapes(declared), findings(declared, asked), measured)
