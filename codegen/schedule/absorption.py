"""absorb(kernel): a product that only an update reads is added to what it updates.

    g[i,j] = Σ_n x[n,i]·δ[n,j]
    W_next[i,j] = W[i,j] − rate·(g[i,j] + 2·λ·W[i,j])      W ← (1 − 2·λ·rate)·W − rate·xᵀ·δ

One Gemm with α = −rate and β = 1 − 2·λ·rate, no array for g and no pass over W.  The update must
be linear in g and in the tensor that it overwrites, with coefficients that carry no index.

    s[n,j] = Σ_i x[n,i]·W[i,j],   z[n,j] = b[j] + s[n,j]         z ← x·W, from b in every row
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Add, Expr, Idx, Mul, S, Sum, Tuple, expand

from symbackprop.codegen.ir import Gemm, Kernel, Stage
from symbackprop.codegen.schedule.products import is_whole
from symbackprop.codegen.schedule.storage import homes
from symbackprop.notation import Definition, Element, Tensor, elements_in, tensors_in
from symbackprop.rules.forms import weight

HEAVIEST = 40


def absorb(kernel: Kernel) -> Kernel:
    """The same kernel, with such pairs of stages made one."""
    overwritten = homes(kernel.program)
    kept = {*(new for _, new in kernel.program.updates), *kernel.program.outputs}
    stages = list(kernel.stages)
    for update in kernel.stages:
        old = overwritten.get(update.definition.target)
        products = [stage for stage in stages
                    if stage.definition.op == "sum" and stage.definition.target not in kept]
        made = (_begun(stages, products, update) if old is None
                else _combined(stages, products, update, old))
        if made is not None:
            product, combined = made
            stages[stages.index(product)] = combined
            stages.remove(update)
    return replace(kernel, stages=tuple(stages))


def _combined(stages: list[Stage], products: list[Stage], update: Stage, old: Tensor
              ) -> tuple[Stage, Stage] | None:
    """The product that an update can absorb, and the stage that is both."""
    definition = update.definition
    if definition.op != "map" or weight(definition.body) > HEAVIEST:
        return None
    for element in elements_in(definition.body):
        product = next((s for s in products if s.definition.target is element.tensor), None)
        if product is None or element != element.tensor.at(*definition.indices):
            continue
        scales = _scales(definition, element, old)
        if scales is not None and _may_move(stages, product, update, old, scales):
            made = _with(product, definition, old, *scales)
            if made is not None:
                return product, made
    return None


def _begun(stages: list[Stage], products: list[Stage], total: Stage) -> tuple[Stage, Stage] | None:
    """The product to whose rows alone a stage adds a row, and the stage that is both."""
    definition = total.definition
    terms: tuple[Expr, ...] = definition.body.args if isinstance(definition.body, Add) else ()
    if definition.op != "map" or len(terms) != 2 or not all(isinstance(e, Element) for e in terms):
        return None
    for element, start in (terms, terms[::-1]):
        product = next((s for s in products if s.definition.target is element.tensor), None)
        if product is None or element != element.tensor.at(*definition.indices):
            continue
        match product.statements:
            case (Gemm(batch=()) as gemm,) if (
                    gemm.target.indices == definition.indices
                    and gemm.columns == start.indices and is_whole(start)):
                later = {s.definition.target for s in stages[stages.index(product):]}
                if _readers(stages, product) == [total] and start.tensor not in later:
                    return product, _named(product, definition, start, replace(
                        gemm, target=definition.element, start=start))
    return None


def _scales(definition: Definition, element: Expr, old: Tensor) -> tuple[Expr, Expr] | None:
    """(a, b) where the body is a·element + b·old, both free of indices."""
    previous = old.at(*definition.indices)
    parts: dict[Expr, list[Expr]] = {element: [], previous: []}
    for term in Add.make_args(expand(definition.body)):
        carriers = [part for part in parts if part in Mul.make_args(term)]
        if len(carriers) != 1:
            return None
        parts[carriers[0]].append(term / carriers[0])
    scale, keep = Add(*parts[element]), Add(*parts[previous])
    if any(s.atoms(Idx) or s.has(Element) for s in (scale, keep)) or not parts[element]:
        return None
    return scale, keep


def _may_move(stages: list[Stage], product: Stage, update: Stage, old: Tensor,
              scales: tuple[Expr, Expr]) -> bool:
    """Whether the update may be done where the product is: nobody between needs what it changes."""
    first, last = stages.index(product), stages.index(update)
    between = [t for s in stages[first:last] for t in tensors_in(s.definition.body)]
    later = {s.definition.target for s in stages[first:]}
    needed = {t for scale in scales for t in tensors_in(scale)}
    return _readers(stages, product) == [update] and old not in between and not later & needed


def _readers(stages: list[Stage], product: Stage) -> list[Stage]:
    return [s for s in stages if product.definition.target in tensors_in(s.definition.body)]


def _with(product: Stage, definition: Definition, old: Tensor, scale: Expr, keep: Expr
          ) -> Stage | None:
    match product.statements:
        case (Gemm() as gemm,) if gemm.target.indices == definition.indices:
            return _named(product, definition, keep*old.at(*definition.indices), replace(
                gemm, target=definition.element, alpha=scale*gemm.alpha, beta=keep), scale)
    return None


def _named(product: Stage, definition: Definition, first: Expr, gemm: Gemm, scale: Expr = S.One
           ) -> Stage:
    """The product under the formula of what it now computes: first + scale·Σ …"""
    limits = [Tuple(i, i.lower, i.upper) for i in product.definition.over]
    body = first + scale*Sum(product.definition.body, *limits)
    return Stage(replace(definition, body=body), (gemm,))
