"""Every activation, layer and loss has the value and the gradient that JAX's own functions have."""

import ast
from pathlib import Path

import numpy as np
import pytest

import symbackprop as sb
from symbackprop import drawing
from symbackprop.interpreter import evaluate
from symbackprop.notation import Tensor
from tests.support.jax_oracle import jax, jnp
from tests.support.repertoire import FUNCTIONS, LAYERS, LOSSES, ROWS, Row


class Declared:
    """A row as a loss Σ c·h, what to differentiate it by, and values for all inputs."""

    def __init__(self, row: Row, seed: int = 0) -> None:
        tensor = row.declare()
        self.row, self.tensor = row, getattr(tensor, "tensor", tensor)
        loss, asked = self.tensor.symbol, None
        if self.tensor.rank:
            asked = sb.data("cotangent", *self.tensor.axes)
            loss = (self.tensor*asked).sum()
        program = sb.program(loss, keep=self.tensor)
        rng = np.random.default_rng(seed)
        self.names = dict(program.names)
        self.values = {t: drawing.drawn(t, {"N": ROWS}, rng) for t in program.inputs}
        self.weights = self.values[asked] if asked is not None else 1.0
        self.by = [t for t in program.inputs if t is not asked and not t.facts]
        d = sb.derive(loss, self.by)
        self.outputs: list[Tensor] = [self.tensor, *map(d.gradient, self.by)]

    def expected(self) -> list[np.ndarray]:
        """The value of the row and the gradients of Σ c·h, by JAX."""
        given = {self.names[t]: value for t, value in self.values.items()}

        def total(chosen):
            found = self.row.reference({**given, **chosen})
            return jnp.sum(self.weights*found), found

        chosen = {self.names[t]: self.values[t] for t in self.by}
        (_, value), found = jax.jit(jax.value_and_grad(total, has_aux=True))(chosen)
        return [value, *(found[self.names[t]] for t in self.by)]


@pytest.mark.parametrize("row", [*FUNCTIONS, *LAYERS, *LOSSES], ids=str)
def test_value_and_gradient_are_those_of_jax(row: Row) -> None:
    made = Declared(row)
    program = sb.program(made.outputs)
    arrays = evaluate(program, {t: made.values[t] for t in program.inputs})
    for output, wanted in zip(made.outputs, made.expected(), strict=True):
        np.testing.assert_allclose(arrays[output], wanted, rtol=1e-10, atol=1e-12)


COMPILED = [*FUNCTIONS, *(row for row in LAYERS if not row.name.startswith("dense, ")), *LOSSES]


@pytest.mark.parametrize("rows", [COMPILED[k:k + 6] for k in range(0, len(COMPILED), 6)],
                         ids=lambda rows: rows[0].name)
def test_kernels_have_the_values_and_gradients_of_the_interpreter(rows: list[Row]) -> None:
    """Six rows in one kernel, each under names of its own."""
    made = [Declared(row, seed) for seed, row in enumerate(rows, start=1)]
    for number, one in enumerate(made):
        for tensor in one.values:
            if tensor.name is not None:
                tensor.name += f"_{number}"
    values = {t: value for one in made for t, value in one.values.items()}
    outputs = [output for one in made for output in one.outputs]
    kernel = sb.compile(outputs, dtype="float64")
    program = sb.program(outputs)
    exact = evaluate(program, {t: values[t] for t in program.inputs})
    found = kernel(**{name: values[t] for t, name in kernel.program.names.items() if t in values})
    for output, value in zip(outputs, found, strict=True):
        np.testing.assert_allclose(value, exact[output], rtol=1e-10, atol=1e-12)


HOMES = (sb.layers, sb.losses, sb.penalties, sb.constraints, sb.optimizers)
GENERAL = {"t", "g", "w", "total", "norm", "box", "Rule", "is_weight",  # words of everyone's
           "flatten"}                                                  # a pass over loops
ROOT = Path(__file__).parent.parent
COMPILER = [*ROOT.glob("codegen/**/*.py"), *ROOT.glob("symbackprop/rules/*.py"),
            *(ROOT/f"symbackprop/{name}.py" for name in ("backprop", "derivation", "tape"))]


def said(path: Path) -> set[str]:
    """The names, attributes and texts of a file, comments and docstrings apart."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.alias(name=word):
                found.add(word)
            case ast.Constant(value=str(word)):
                found.add(word)
    return found


def test_the_compiler_knows_no_layer_loss_penalty_or_optimizer_by_name() -> None:
    names = {name for home in HOMES for name in home.__all__} - GENERAL
    assert {"dropout", "huber", "group_lasso", "max_norm", "AdamW"} < names
    assert {"batch_norm", "made"} < said(ROOT/"symbackprop/layers.py")
    assert len(COMPILER) > 60
    for path in COMPILER:
        assert not said(path) & names, path
