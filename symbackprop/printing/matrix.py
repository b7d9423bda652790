"""The matrix form of a definition, recognised from its contraction structure:

    Σ_n h[n,j]·δ[n,k]            Hᵀ δ            a product summed over one index
    h[n,j]²·d[n,j]               H ⊙ H ⊙ D       factors without a sum
    Σ_n δ[n,k]                   1ᵀ δ            a sum of one factor
    b[k] beside z[n,k]           1 bᵀ            a factor that lacks one index is broadcast
    a[i]·b[j]                    a bᵀ            factors that share no index
    Σ_n x[n,i]·c[n]·x[n,j]       Xᵀ diag(c) X    a factor of the index that is summed over
    Σ_{i,k} a[i,k]·b[k,i]        tr(A B)         both indices of two factors summed over
    v[i]·[i = j]                 diag(v)         [i = j] are the entries of I

Samples are rows, or else columns: then matrices over the batch are written transposed, and
δ1 = (δ2 W2ᵀ) ⊙ (1 − H ⊙ H) reads δ1 = (W2 δ2) ⊙ (1 − H ⊙ H).
Denominator layout: a gradient has the shape of what it is the gradient of (lecture 002).  A
definition that does not fit stays in index form: never a guess.  How a line is read:

    line    ::= name "=" sum
    sum     ::= ["−"] term (("+" | "−") term)*        a scalar is added to every entry
    term    ::= product (("⊙" | "⊘") product)*        entry by entry, from left to right
    product ::= factor (factor | "/" factor)*         the matrix product; by and over scalars
    factor  ::= atom ("ᵀ" | "^∘" exponent | "²" …)*   ^∘ raises every entry, ² a scalar
    atom    ::= number | name | "1" | "I" | "(" sum ")" | "[" condition "]" | "|" sum "|"
              | function "(" sum, … ")"               of every entry
              | "diag(" sum ")" | "tr(" sum ")"       of a vector a matrix, of a matrix a vector

A bracket is 1 where its condition holds and else 0, whatever it meets in ⊙.
A tensor of rank 1 is a column.  1 is a column of ones wherever it is transposed or stands beside
another factor, of the length that fits there, and a number elsewhere.  A product of size 1 × 1 is
a scalar.  A line for a tensor of rank 1 gives its entries as a column or as a row (1ᵀ δ).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from symbackprop.functions import spelled
from symbackprop.indexing import free_indices
from symbackprop.notation import Definition, Element, Program, Tensor, elements_in, extent
from symbackprop.printing.contractions import Axis, NoMatrixForm
from symbackprop.printing.formula import Piece, bracket, name, number, ones, transpose
from symbackprop.printing.index import index_line, right_hand_side
from symbackprop.printing.lines import Line, lines_text
from symbackprop.printing.matrix_brackets import MATMUL, WHOLE, product, shortness
from symbackprop.printing.matrix_terms import Writer
from symbackprop.printing.temporaries import spelled_out

WIDEST = 90  # characters of a right-hand side in which temporaries are written out


def matrix_text(program: Program, plain: Mapping[Tensor, str]) -> str:
    """A line for each definition, in matrix form where it has one; plain: the names to use."""
    return lines_text(matrix_lines(program, plain))


def matrix_lines(program: Program, plain: Mapping[Tensor, str], columns: bool = False
                 ) -> list[Line]:
    """The same as lines of formulas; columns: a sample is a column of a matrix, and not a row."""
    names = matrix_names(plain)
    lying = samples_in(plain) if columns else frozenset()
    return [matrix_line(definition, names, plain, lying) for definition in program]


def samples_in(tensors: Iterable[Tensor]) -> frozenset[Tensor]:
    """The matrices that have a row for each sample: their first axis is the batch."""
    known = list(tensors)
    batches = {t.axes[0] for t in known if t.role == "data" and t.axes and t.axes[0].free_symbols}
    return frozenset(t for t in known if t.rank == 2 and t.axes[0] in batches
                     and t.axes[1] not in batches)


def matrix_names(names: Mapping[Tensor, str]) -> dict[Tensor, str]:
    """Capital letters for matrices, x → X, unless another tensor is called so already."""
    taken = set(names.values())
    shown = {}
    for tensor, called in names.items():
        capital = called[0].upper() + called[1:]
        is_latin = called[0].isascii() and called[0].islower()
        free = tensor.rank == 2 and is_latin and capital not in taken
        shown[tensor] = capital if free else called
        taken.add(shown[tensor])
    return shown


def matrix_line(definition: Definition, names: Mapping[Tensor, str],
                plain: Mapping[Tensor, str], lying: frozenset[Tensor] = frozenset()) -> Line:
    """target = body in matrix form, or in index form with the plain names where it has none.

    lying: matrices that are written transposed, a sample in each column.
    """
    read = elements_in(definition.body)
    if not definition.indices and not any(isinstance(e, Element) for e in read):
        return index_line(definition, plain)  # scalars alone: there is no matrix
    called = name(names[definition.target])
    for written in dict.fromkeys((spelled_out(definition, names), definition)):
        try:
            right = _right(written, Writer(names, lying)).formula
        except NoMatrixForm:
            continue
        if written is definition or len(right.text) <= WIDEST:
            return Line(called, right, target=definition.target, value=right_hand_side(definition))
    return index_line(definition, plain)


def _right(definition: Definition, writer: Writer) -> Piece:
    body = spelled(right_hand_side(definition))
    found = free_indices(body)
    axes: tuple[Axis, ...] = definition.indices
    if len(axes) > 2 or any(i.lower != 0 for i in definition.indices):
        raise NoMatrixForm
    if len(axes) == 2:
        axes = tuple(None if extent(i) == 1 and i not in found else i for i in definition.indices)
    if definition.target in writer.lying:
        axes = axes[::-1]
    row, column = (*axes, None, None)[:2]
    if axes and body == 0:
        return Piece(number("0"), WHOLE)
    if axes and not found:
        filled = [ones(), transpose(ones())] if None not in (row, column) else [ones()]
        scalar = [] if body == 1 else [bracket(writer.form(body, None, None).formula)]
        return Piece(product([*scalar, *filled]).formula, MATMUL)
    upright = writer.direct(body, row, column)
    if len(axes) == 1 and row is not None:
        lying = writer.direct(body, None, row)
        return min(upright, lying, key=lambda piece: shortness(piece)[0])
    return upright
