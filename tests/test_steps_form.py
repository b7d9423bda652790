"""The forms "steps" and "neuron": every line has the value of the derivative that it stands for."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import Expr, Integer, Mul, Sum, Tuple, log

import symbackprop as sb
from symbackprop.chain import links
from symbackprop.interpreter import evaluate
from symbackprop.notation import Definition, Program, Tensor, tensors_in
from symbackprop.printing import forms, steps
from symbackprop.printing.lines import Line, blocks
from symbackprop.printing.neuron import Factor, Neuron
from tests.support import printed_networks as networks
from tests.support.printed_networks import DENSE, GOLDEN, OTHERS, classifier
from tests.support.random_networks import dense_network, drawn

View = forms.View


def whole_program(d: sb.Derivation) -> Program:
    """All that a line may speak of: what was declared, the blackboard and the backward lines."""
    chain, _ = d.remembered(forms.chained)
    known: dict[Tensor, Definition] = {}
    for definition in (*d.forward, *d.normal, *d.backward, *chain.program, *d.presented()):
        if definition.target not in known:
            known[definition.target] = definition
    order: list[Definition] = []
    placed: set[Tensor] = set()
    while len(order) < len(known):
        for target, definition in known.items():
            ready = all(t in placed or t not in known for t in tensors_in(definition.body))
            if target not in placed and ready:
                placed.add(target)
                order.append(definition)
    return Program(tuple(order), ())


def value(body: Expr, tensor: Tensor, program: Program, given: dict[Any, Any],
          seeds: dict[Tensor, np.ndarray]) -> np.ndarray:
    """A right-hand side over the letters of a tensor; seeds: the adjoints that it may read."""
    target = Tensor("line", tensor.axes, tensor.letters, "intermediate")
    line = Definition(target, tensor.letters, body)
    read = {t: seeds[t] for t in tensors_in(body) if t in seeds}
    found = evaluate(replace(program, definitions=(*program.definitions, line)), given | read)
    return np.asarray(found[target])


def check_steps(d: sb.Derivation, seed: int) -> int:
    """All lines of a block are equal, and the last ones are the gradients; how many there are."""
    chain, _ = d.remembered(forms.chained)
    program = whole_program(d)
    given = drawn(program, seed)
    true = evaluate(program, given)
    seed_of = {link.consumer.target: link.seed for found in chain.links.values() for link in found}
    final = forms._final(d)
    seeds: dict[Tensor, np.ndarray] = {seed: np.asarray(1.0) for target, seed in seed_of.items()
                                       if target is d.loss}
    count = 0
    made = forms.form_lines(d, "steps", View())
    for block in blocks([line for line in made if line.value is not None]):
        tensor = block[0].target
        if not block[0].left.text.startswith("∂"):
            continue  # a definition of the network
        found = [value(line.value, tensor, program, given, seeds) for line in block]
        for one, line in zip(found, block, strict=True):
            np.testing.assert_allclose(one, found[0], rtol=1e-8, atol=1e-11, err_msg=str(line))
            count += 1
        if tensor in d.gradients:
            np.testing.assert_allclose(found[0], true[final[tensor].target], rtol=1e-8, atol=1e-11,
                                       err_msg=str(block[0]))
        if tensor in seed_of:
            seeds[seed_of[tensor]] = found[0]
    return count


def chain_value(neuron: Neuron, path: list[Factor], places: tuple[Expr, ...],
                adjoints: dict[Tensor, Tensor]) -> Expr:
    """Σ of the product of the factors; a chain that begins at T reads the adjoint of T."""
    above = path[-1].link.consumer.target
    first = Integer(1) if above is neuron.loss else adjoints[above].at(*path[-1].above)
    over = dict.fromkeys(i for f in path for i in f.above if isinstance(i, sympy.Idx))
    limits = [Tuple(i, i.lower, i.upper) for i in over if i not in places]
    product = Mul(first, *(f.value for f in path))
    return Sum(product, *limits) if limits else product


def check_neuron(d: sb.Derivation, seed: int) -> None:
    """The factors of every chain multiply to the derivative."""
    inner = sb.derive(d.loss.symbol, [
        *d.gradients, *(f.target for f in d.forward if f.target is not d.loss)])
    chain, names = d.remembered(forms.chained)
    neuron = Neuron(chain, d.loss, names, forms._final(d), {})
    neuron.lines(tuple(d.gradients))
    program = whole_program(d)
    both = Program((*program.definitions, *(
        b for b in inner.backward if b.target not in {p.target for p in program})), ())
    given = drawn(both, seed)
    true = evaluate(both, given)
    known = dict(inner.gradients)
    for tensor in d.gradients:
        paths = [neuron._path(link, tensor.letters) for link in chain.links.get(tensor, ())]
        if any(path[-1].link.consumer.target not in {d.loss, *known} for path in paths):
            continue  # it begins at a temporary, whose adjoint is not known here
        total = sum((chain_value(neuron, path, tensor.letters, known) for path in paths),
                    Integer(0))
        found = value(total, tensor, both, given, {})
        np.testing.assert_allclose(found, true[known[tensor]], rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("network", [*DENSE, *OTHERS], ids=lambda f: f.__name__)
def test_every_step_has_the_value_of_the_derivative(network: Callable[[], Any], seed: int) -> None:
    assert check_steps(sb.derive(network()), seed)


@pytest.mark.parametrize("network", [*DENSE, *OTHERS], ids=lambda f: f.__name__)
def test_the_factors_of_every_chain_multiply_to_the_derivative(network: Callable[[], Any],
                                                               seed: int) -> None:
    check_neuron(sb.derive(network()), seed)


def test_steps_and_chains_of_random_networks_have_the_value_of_the_derivative(seed: int) -> None:
    draw = random.Random(seed)
    for number in range(20):
        d = sb.derive(dense_network(draw))
        check_steps(d, seed + number)
        check_neuron(d, seed + number)


def test_a_wrong_step_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "frames", lambda body, _: [("wrong", 2*body)])
    with pytest.raises(AssertionError):
        check_steps(sb.derive(classifier()), 0)


@pytest.mark.parametrize("form", ["steps", "neuron"])
@pytest.mark.parametrize("network", GOLDEN, ids=lambda f: f.__name__)
def test_the_form_is_as_it_was(network: Callable[[], Any], form: str,
                               golden: Callable[[str, str], None]) -> None:
    golden(f"printing/{network.__name__}.{form}.txt", sb.derive(network()).text(form) + "\n")


def test_cross_entropy_of_a_sigmoid_is_worked_out_as_in_the_lecture() -> None:
    x1, x2, y = (sb.data(name) for name in ("x1", "x2", "y"))
    w1, w2, b = (sb.parameter(name) for name in ("w1", "w2", "b"))
    z = sb.define("z", (), w1*x1 + w2*x2 + b)
    p = sb.define("ŷ", (), 1/(1 + sympy.exp(-z)))
    d = sb.derive(sb.define("L", (), -(y*log(p) + (1 - y)*log(1 - p))))
    assert "∂L/∂ŷ = (1 − y)/(1 − ŷ) − y/ŷ" in d.text("steps")
    assert "= ((1 − y)/(1 − ŷ) − y/ŷ)·ŷ·(1 − ŷ)" in d.text("steps")
    assert "= ŷ − y" in d.text("steps")
    assert d.text("neuron").startswith(
        "∂L/∂w1 = ∂L/∂ŷ·∂ŷ/∂z·∂z/∂w1                        chain rule\n"
        "       = ((1 − y)/(1 − ŷ) − y/ŷ)·(ŷ·(1 − ŷ))·x1    each factor\n"
        "       = (ŷ − y)·x1                                simplified")


def test_one_weight_is_shown_at_its_place() -> None:
    text = sb.derive(classifier()).text("neuron", entries={"W1": (2, 0)})
    assert text.startswith("z1[n,j] = Σ_i x[n,i]·W1[i,j] + b1[j]\n\n"
                           "∂L/∂W1[2,0] = Σ_{n,k′,k} ∂L/∂p[n,k′]·∂p[n,k′]/∂z[n,k]·∂z[n,k]/∂h[n,0]·")
    assert "∂L/∂b1" not in text


def test_a_place_may_be_any_kind_of_integer() -> None:
    d = sb.derive(classifier())
    assert d.text("neuron", entries={"W1": (np.int64(2), Integer(0))}) == d.text(
        "neuron", entries={"W1": (2, 0)})


@pytest.mark.parametrize(("entries", "message"), [
    (["W1"], r"entries are places by weight, e\.g\. entries=\{\"W1\": \(2, 0\)\}, not \['W1'\]"),
    ({"W1": (2.0, 0)}, r"W1 has the shape \(6, 5\)"),
    ({"W1": (2,)}, r"W1 has the shape \(6, 5\); \(2,\) is no place in it"),
    ({"W1": (6, 0)}, r"W1 has the shape \(6, 5\)"),
    ({"W1": (0, -1)}, r"W1 has the shape"),
    ({"Q": (0, 0)}, "there is no derivative by 'Q'"),
])
def test_a_place_that_is_none_is_refused(entries: dict[str, Any], message: str) -> None:
    with pytest.raises(sb.DerivationError, match=message):
        sb.derive(classifier()).text("neuron", entries=entries)


def test_a_chain_explains_what_only_the_board_and_the_other_forms_name() -> None:
    x, y = sb.data("x"), sb.data("y")
    v, w = sb.parameter("v"), sb.parameter("w")
    d = sb.derive(sb.define("L", (), (v*sympy.sin(w*x) - y)**2))
    text = d.text("neuron", entries={"w": ()})
    assert text.startswith("z1 = x·w\na1 = sin(z1)\nr1 = a1·v − y\n\n∂L/∂w = ∂L/∂r1·∂r1/∂a1")
    text = sb.derive(networks.attention()).text("neuron", entries={"Q": (0, 0)})
    words = set(re.findall(r"δ\d", text))
    assert words
    assert all(f"\n{word}[" in text for word in words)


def test_a_sensitivity_is_named_where_the_steps_lead_to_it_but_for_brackets_and_board() -> None:
    n, i = sb.indices("n i", sb.size("N"), 3)
    x, w = sb.data("x", n, i), sb.parameter("w", i)
    loss = sb.define("L", (), Sum(log(1 + sympy.exp(-Sum(x[n, i]*w[i], i))), n))
    text = sb.derive(loss).text("steps")
    assert "= −sigmoid(−(Σ_i x[n,i]·w[i]))    z1 written out; this is δ1\n" in text
    h = sb.define("h", (n,), sympy.tanh(Sum(x[n, i]*w[i], i)))
    text = sb.derive(sb.define("L", (), Sum(h[n]**2, n))).text("steps")
    assert "= 2·h[n]·(1 − h[n]²)      ∂L/∂h put in; this is δ1\n" in text
    assert text.endswith("∂L/∂w[i] = Σ_n x[n,i]·δ1[n]    chain rule through s1")


def test_the_adjoint_of_a_definition_that_was_asked_for_is_read_by_its_name() -> None:
    n, i = sb.indices("n i", sb.size("N"), 3)
    x, w = sb.data("x", n, i), sb.parameter("w", i)
    h = sb.define("h", (n,), sympy.tanh(Sum(x[n, i]*w[i], i)))
    text = sb.derive(sb.define("L", (), Sum((h[n] - 1)**2, n)), [h, w]).text("steps")
    assert "∂L/∂s1[n] = ∂L/∂h[n]·(1 − h[n]²)    chain rule through h; this is δ1" in text
    assert text.count("∂L/∂h[n] = ") == 1


def test_no_letter_of_a_sum_is_taken_by_a_sum_around_it() -> None:
    d = sb.derive(networks.layer_normalisation())
    assert "= Σ_j (2·(o[n,j] − y[n,j])/N)·" in d.text("neuron")
    assert "·(2·(Σ_{j′} (m[n] − h[n,j′]))/5)" in d.text("neuron")


def test_a_factor_of_one_is_not_written_beside_others() -> None:
    h, y = sb.data("x", sb.size("N"), 3), sb.data("y", sb.size("N"), 3)
    for _ in range(2):
        h = h + sb.layers.dense(sb.layers.dense(h, 2, "relu"), 3)
    text = sb.derive(sb.losses.squared_error(h, y)).text("neuron", entries={"b2": (0,)})
    assert "= Σ_n ∂L/∂t1[n,0] " in text
    assert "·1 " not in text


def test_plain_scalars_are_taken_apart() -> None:
    a, b, c = sympy.symbols("a b c", real=True)
    assert sb.derive((a + b)*c, [a, b, c]).text("steps") == """\
s1 = a + b
L = s1·c

∂L/∂c = s1       derivative of L
      = a + b    s1 written out

∂L/∂s1 = c    derivative of L
∂L/∂a = c    chain rule through s1
∂L/∂b = c    chain rule through s1"""


def test_the_chain_is_linear_in_the_definitions() -> None:
    h = sb.data("x", sb.size("N"), 3)
    for _ in range(12):
        h = sb.layers.dense(h, 3, "tanh") + h
    d = sb.derive(sb.losses.squared_error(h, sb.data("y", sb.size("N"), 3)))
    chain, _ = d.remembered(forms.chained)
    assert sum(map(len, chain.links.values())) < 8*len(chain.program.definitions)
    assert len(d.text("neuron")) < 60_000
    assert links(chain.program, tuple(d.gradients)).order(tuple(d.gradients))[-1] in d.gradients


def test_a_form_or_an_option_that_does_not_exist_is_refused() -> None:
    d = sb.derive(classifier())
    with pytest.raises(sb.DerivationError, match="there is no form 'tensor'"):
        d.text("tensor")
    with pytest.raises(sb.DerivationError, match="there is no option 'sample'"):
        d.text("matrix", sample="columns")
    with pytest.raises(sb.DerivationError, match='samples are "rows" or "columns"'):
        d.text("matrix", samples="cols")


def test_lines_without_reasons_stand_close() -> None:
    assert isinstance(forms.form_lines(sb.derive(classifier()), "index", View())[0], Line)
    assert "\n\n" not in sb.derive(classifier()).text("index")
