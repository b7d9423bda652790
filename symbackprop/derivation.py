"""derive(L): the gradient of a loss as definitions, simplified, each sensitivity with a name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar, cast

from sympy import Expr, Symbol

from symbackprop.backprop import adjoints
from symbackprop.checking import Check, check
from symbackprop.checks import verify, verify_loss
from symbackprop.collect import program as collected
from symbackprop.declare import data, parameter, tensor_of
from symbackprop.errors import DerivationError
from symbackprop.normal import normalise
from symbackprop.notation import Program, Tensor, elements_in
from symbackprop.printing.document import Source, fragment, page
from symbackprop.printing.forms import View, form_lines
from symbackprop.printing.latex import lines_latex
from symbackprop.printing.lines import Line, lines_text
from symbackprop.printing.naming import derivative
from symbackprop.printing.parts import Part, with_parts
from symbackprop.printing.presentation import presented, under_their_names
from symbackprop.readers import is_sensitivity, pruned
from symbackprop.rewriting import Step
from symbackprop.simplification import simplify

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Derivation:
    """The gradient of `loss`; `d[W]` is a tensor with a definition, `print(d)` the matrix form.

    loss: the rank-0 tensor; forward: its program as declared; normal: the same in normal form;
    backward: δ and gradient definitions, in order; gradients: the adjoint of each tensor that
    was asked for; rules: what the engine did, step by step.
    """

    loss: Tensor
    forward: Program
    normal: Program
    backward: Program
    gradients: dict[Tensor, Tensor]
    rules: tuple[Step, ...]
    _memory: dict[Callable[[Derivation], Any], Any] = field(default_factory=dict, init=False)

    def remembered(self, made: Callable[[Derivation], T]) -> T:
        """made(self), computed once, and kept for as long as the derivation itself."""
        if made not in self._memory:
            self._memory[made] = made(self)
        return cast(T, self._memory[made])

    def __getitem__(self, tensor: Any) -> Any:
        gradient = self.gradient(tensor)
        return gradient if gradient.axes else gradient.symbol

    def gradient(self, tensor: Any) -> Tensor:
        """The tensor ∂L/∂W of a tensor or of its name; DerivationError if it was not asked for."""
        return self.gradients[self.asked(tensor)]

    def asked(self, tensor: Any) -> Tensor:
        """One of the tensors that was asked for, by itself or by its name; else DerivationError."""
        names = self.forward.names
        for known in self.gradients:
            plain = isinstance(tensor, str) or type(tensor) is Symbol
            if tensor is known or tensor is known.symbol or (plain and str(tensor) == names[known]):
                return known
        raise DerivationError(
            f"there is no derivative by {tensor!r} here; this derivation has "
            f"{', '.join(names[t] for t in self.gradients)}; ask with sb.derive(L, [...])"
        )

    def expression(self, tensor: Any) -> Expr:
        """∂L/∂W as one SymPy expression in data, parameters and named intermediates."""
        target = self.gradient(tensor)
        return self.presented(target).definitions[-1].body

    def text(self, form: str = "matrix", **view: Any) -> str:
        """The lines of δ's and gradients in a form: "index", "matrix", "neuron" or "steps".

        samples="columns": a sample is a column of a matrix, as in lecture 002, and not a row;
        fold=False: alike layers are written one by one; entries={"W1": (2, 0)}: the weights
        whose chains the neuron form shows.  Raises DerivationError for any other form or option.
        """
        return lines_text(self._lines(form, view))

    def latex(self, form: str = "matrix", **view: Any) -> str:
        """The same lines as a LaTeX body, an align* environment of amsmath."""
        return lines_latex(self._lines(form, view))

    def html(self, kernel: Source | None = None, check: bool = True, **view: Any) -> str:
        """A complete page: network, shapes, gradients in every form, rules, check and source.

        kernel: a compiled function; each formula is then linked to the line of its source;
        check: whether `d.check()` is run and shown; further options as for `text`.
        """
        return page(self, _view({"fold": True} | view), kernel, check)

    def _repr_html_(self) -> str:
        return fragment(self)

    def _lines(self, form: str, options: Mapping[str, Any]) -> list[Line]:
        return form_lines(self, form, _view(options))

    def check(self, given: Mapping[Any, Any] | None = None, *, seed: int = 0) -> Check:
        """float(d.check()) is the worst relative error of the gradients, here about 1e-40.

        Against central finite differences of the loss, both evaluated at 60 digits (`checking`).
        given: arrays by name or tensor at which to compare; what is missing is drawn by `seed`
        and keeps the declared facts.  Raises InputError for values that do not fit, and
        DerivationError where the loss is finite at no drawn values.

        >>> import symbackprop as sb
        >>> x, y, W = sb.data("x", sb.size("N"), 3), sb.data("y", sb.size("N"), 2), sb.parameter(
        ...     "W", 3, 2)
        >>> d = sb.derive(sb.losses.squared_error(sb.tanh(x @ W), y))
        >>> float(d.check()) < 1e-30
        True
        """
        return check(self.forward, self.backward, self.gradients, self.names, given, seed)

    @property
    def names(self) -> dict[Tensor, str]:
        """The names of all tensors, those of the declared program as it prints them."""
        return dict(self.remembered(_named))

    def presented(self, whole: Tensor | None = None) -> Program:
        """The backward definitions as a reader sees them: what is read once is inlined."""
        if whole is None:
            return self.remembered(_with_parts)[0]
        return _presented(self, whole)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The long functions that have a name in the printed lines only."""
        return self.remembered(_with_parts)[1]

    def __str__(self) -> str:
        return self.text("matrix")

    __repr__ = __str__


def _presented(derivation: Derivation, whole: Tensor | None = None) -> Program:
    declared = frozenset(d.target for d in derivation.forward)
    known = under_their_names(derivation.backward, derivation.normal, declared)
    return presented(known, declared, whole)


def _with_parts(derivation: Derivation) -> tuple[Program, tuple[Part, ...]]:
    return with_parts(_presented(derivation), derivation.normal)


def _named(derivation: Derivation) -> dict[Tensor, str]:
    declared = {d.target for d in derivation.forward}
    own = (d for d in derivation.backward if d.target not in declared)
    parts = (part.definition for part in derivation.parts)
    return Program((*derivation.forward, *own, *parts), (derivation.loss,)).names


def _view(options: Mapping[str, Any]) -> View:
    known = [field.name for field in fields(View)]
    unknown = sorted(options.keys() - known)
    if unknown:
        raise DerivationError(f"there is no option {unknown[0]!r}; the options are "
                              f"{', '.join(known)}")
    return View(**options)


def derive(loss: Any, wrt: Sequence[Any] | None = None) -> Derivation:
    """The derivative of a loss by every parameter, or by the tensors of `wrt`.

    loss: a rank-0 tensor or an expression of such; wrt: tensors or names.
    Raises DerivationError for a tensor that the loss does not read, or a loss that is no scalar.
    The method is reverse mode over definitions (Rumelhart, Hinton & Williams 1986, lecture 002).

    Plain real SymPy symbols work alike: they are adopted as parameters and data.

    >>> from sympy import Sum, symbols
    >>> import symbackprop as sb
    >>> a, b, c = symbols("a b c", real=True)
    >>> print(sb.derive((a + b)*c, [a, c]))
    ∂L/∂a = c
    ∂L/∂c = a + b
    >>> n, i = sb.indices("n i", sb.size("N"), 3)
    >>> x, y, w = sb.data("x", n, i), sb.data("y", n), sb.parameter("w", i)
    >>> r = sb.define("r", (n,), Sum(x[n, i]*w[i], i) - y[n])
    >>> print(sb.derive(sb.define("L", (), Sum(r[n]**2, n))).text("index"))
    ∂L/∂w[i] = 2·Σ_n x[n,i]·r[n]
    """
    given = None if wrt is None else list(wrt) if isinstance(wrt, (list, tuple)) else [wrt]
    loss, given = _with_symbols_adopted(loss, given)
    declared = collected(loss, given or ())
    verify(declared)
    verify_loss(declared)
    (target,) = declared.outputs
    asked = _asked(declared, given)
    everything = replace(declared, outputs=tuple(d.target for d in declared))
    normal = normalise(everything)
    extrema = tuple(d.target for d in normal if d.op in ("max", "min"))  # compared with, later
    steps: list[Step] = []
    forward = simplify(replace(normal, outputs=(*normal.outputs, *extrema)), keep=asked,
                       steps=steps)
    made, found = adjoints(forward, target, asked)
    whole = replace(forward, definitions=(*forward.definitions, *made),
                    outputs=(*forward.outputs, *found.values()))
    best = simplify(whole, keep=asked, settled=len(forward.definitions), steps=steps)
    backward = pruned(replace(best, outputs=tuple(found.values())))
    _export(backward, found, forward, declared)
    return Derivation(target, declared, normal, backward, found, tuple(steps))


def _with_symbols_adopted(loss: Any, wrt: list[Any] | None) -> tuple[Any, list[Any] | None]:
    """Plain real symbols become rank-0 tensors: parameters where differentiated by, else data."""
    if not isinstance(loss, Expr):
        return loss, wrt
    plain = sorted((s for s in loss.free_symbols if type(s) is Symbol and not s.is_integer),
                   key=str)
    for symbol in plain:
        if not symbol.is_real:
            raise DerivationError(
                f"{symbol} is not declared real, and derivatives here are of real functions: "
                f"write {symbol} = sympy.Symbol({str(symbol)!r}, real=True)"
            )
    wanted = plain if wrt is None else wrt
    adopted = {s: (parameter if s in wanted else data)(str(s)) for s in plain}
    return loss.xreplace(adopted), wrt and [adopted.get(t, t) if isinstance(t, Symbol) else t
                                            for t in wrt]


def _asked(program: Program, wrt: Sequence[Any] | None) -> tuple[Tensor, ...]:
    if wrt is None:
        found = tuple(t for t in program.inputs if t.role == "parameter")
        if not found:
            raise DerivationError("the loss reads no parameter; name tensors: sb.derive(L, [x])")
        return found
    reached = {*program.inputs, *(d.target for d in program)}
    asked = tuple(program[t] if isinstance(t, str) else tensor_of(t, "derive(…)") for t in wrt)
    for tensor in asked:
        if tensor not in reached:
            known = ", ".join(program.names[t] for t in program.inputs if not t.has_fact("label"))
            raise DerivationError(
                f"the loss does not depend on {tensor.name or tensor.hint} (declared at "
                f"{tensor.where}); it can be differentiated by {known or 'nothing'}"
            )
        if tensor.has_fact("label"):
            raise DerivationError(f"{tensor.name} holds integer labels: "
                                  "there is no derivative by it")
    return asked


def _export(backward: Program, found: dict[Tensor, Tensor], forward: Program, declared: Program
            ) -> None:
    """Names the adjoints, and gives every tensor made here its final definition."""
    names = {**forward.names, **declared.names}
    loss = declared.names[declared.outputs[0]]
    for tensor, gradient in found.items():
        _name(gradient, derivative(loss, names[tensor]))
    own = {*found.values(), *(d.target for d in declared)}  # a declared δ keeps its name
    place = {d.target: number for number, d in enumerate(forward)}
    readers = Counter(e.tensor for d in backward for e in elements_in(d.body))
    adjoint_lines = sorted(
        ((place[d.adjoint_of], d.adjoint_of, d) for d in backward
         if d.adjoint_of is not None and d.adjoint_of in place and d.target not in own),
        key=lambda line: line[0])
    number = 0
    for _, primal, definition in adjoint_lines:
        if is_sensitivity(definition) or readers[definition.target] > 1:
            number += 1
            _name(definition.target, f"δ{number}")
        else:
            _name(definition.target, derivative(loss, names[primal]))
    for definition in backward:
        if definition.target.definition is None:
            definition.target.definition = definition


def _name(tensor: Tensor, name: str) -> None:
    tensor.hint, tensor.numbered = name, False
