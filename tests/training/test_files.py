"""A saved model comes back the same; a file can hold nonsense, but never code."""

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from safetensors import safe_open
from safetensors.numpy import save_file
from sympy import Abs, Eq, KroneckerDelta, Max, Mul, Piecewise, Rational, Sum, cos, pi

import symbackprop as sb
from symbackprop.errors import InputError, ProgramError, TrainingError
from symbackprop.functions import leaky_relu, relu
from symbackprop.notation import tensors_in
from symbackprop.training import Model
from symbackprop.training.expressions import Reader, Writer
from symbackprop.training.optimizers import Adam
from tests.training.networks import classifier, samples

X, LABELS = samples()
FILE = "model.safetensors"


def returned(model: Model, folder: Path) -> Model:
    model.save(folder / FILE)
    return Model.load(str(folder / FILE))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loaded_model_predicts_derives_and_trains_as_the_saved_one(tmp_path: Path,
                                                                     dtype: str) -> None:
    model = classifier(dtype)
    model.hypers["lam"] = 0.125
    model.fit(X, LABELS, epochs=3, optimizer=Adam(0.05))
    other = returned(model, tmp_path)
    assert other.dtype == dtype
    assert dict(other.hypers) == {"lam": 0.125}
    assert other.predict(X).tobytes() == model.predict(X).tobytes()
    assert other.loss(X, LABELS) == model.loss(X, LABELS)
    assert str(other._network.program) == str(model._network.program)
    assert str(other.derivation()) == str(model.derivation())
    assert str(other.summary()) == str(model.summary())
    assert other.fit(X, LABELS, epochs=2) == model.fit(X, LABELS, epochs=2)


def test_parameters_of_rank_0_come_back(tmp_path: Path) -> None:
    x, s = sb.data("x", sb.size("N")), sb.parameter("s")
    model = Model(inputs=x, output=x * s, loss=((x * s) * (x * s)).mean())
    model.parameters["s"] = 0.25
    other = returned(model, tmp_path)
    assert other.parameters["s"].shape == ()
    assert other.parameters["s"] == 0.25


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        classifier().save(tmp_path / "taken")
    with pytest.raises(InputError, match=r"cannot be written: .*; make the folder .*none first"):
        classifier().save(tmp_path / "none" / FILE)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("path", [None, 3, b"model"])
def test_what_is_no_path_is_refused(path: Any) -> None:
    for act in (classifier().save, Model.load):
        with pytest.raises(InputError, match="a path is text or a Path"):
            act(path)


def test_a_deep_copy_has_numbers_of_its_own_and_no_model_is_pickled() -> None:
    model = classifier()
    model.hypers["lam"] = 0.125
    other = copy.deepcopy(model)
    assert other.loss(X, LABELS) == model.loss(X, LABELS)
    before = model.parameters.copy()
    other.fit(X, LABELS, epochs=1)
    other.hypers["lam"] = 0.5
    assert all(np.array_equal(model.parameters[name], a) for name, a in before.items())
    assert model.hypers["lam"] == 0.125
    for act in (pickle.dumps, copy.copy):
        with pytest.raises(TrainingError, match=r"write model.save.*, or copy.deepcopy\(model\)"):
            act(model)


def test_layer_notation_keeps_its_automatic_names(tmp_path: Path) -> None:
    N = sb.size("N")
    x, y = sb.data("x", N, 3), sb.data("y", N, 2, facts=["one_hot"])
    p = sb.softmax(sb.layers.dense(sb.layers.dense(x, 4, lambda t: t * sb.sigmoid(t)), 2))
    loss = sb.losses.cross_entropy(p, y) + sb.penalties.elastic_net(1e-4, 1e-3)
    model = Model(inputs=x, targets=y, output=p, loss=loss)
    other = returned(model, tmp_path)
    assert list(other.parameters) == ["W1", "b1", "W2", "b2"]
    assert list(other.hypers) == list(model.hypers)
    assert str(other._network.program) == str(model._network.program)
    assert other.predict(X).tobytes() == model.predict(X).tobytes()


def test_a_bias_keeps_the_number_of_its_weights(tmp_path: Path) -> None:
    x = sb.data("x", sb.size("N"), 3)
    h = sb.layers.dense(sb.layers.dense(x, 4, "tanh", bias=False), 2)
    other = returned(Model(inputs=x, output=h, loss=(h**2).sum()), tmp_path)
    assert list(other.parameters) == ["W1", "W2", "b2"]


def test_a_gather_and_facts_come_back(tmp_path: Path) -> None:
    n, d, k = sb.indices("n d k", sb.size("N"), 3, 2)
    w = sb.data("w", n, facts=[sb.label(5)])
    y = sb.data("y", n, facts=[sb.label(2)])
    E, U = sb.parameter("E", 5, d), sb.parameter("U", d, k)
    z = sb.define("z", (n, k), Sum(E[w[n], d] * U[d, k], d))
    p = sb.softmax(z)
    model = Model(inputs=w, targets=y, output=p, loss=sb.losses.cross_entropy(p, y))
    other = returned(model, tmp_path)
    words = np.array([0, 4, 2])
    assert other.predict(words).tobytes() == model.predict(words).tobytes()
    with pytest.raises(InputError):
        other.predict([5])


def expressions() -> list[Any]:
    n, i = sb.indices("n i", sb.size("N"), 3)
    x, a = sb.data("x", n, i), sb.parameter("a")
    t = x[n, i]
    later = sympy.Idx("i", (1, 2))
    return [
        t, a, sympy.Integer(-7), Rational(1, 3), sympy.Float("0.1", 30), sympy.Float(1e-300),
        pi * t, sympy.E + t, Sum(t**2 * a, i), Sum(t, (i, 0, 1)), sb.Maximum(t, i),
        Sum(x[n, later], later), sb.Minimum(x[n, later], later), Sum(x[n, later], (later, 2, 2)),
        sb.Minimum(t + a, n, i), Max(t, 0, a), relu(t), Abs(t),
        Piecewise((t, t > 0), (t / 3, True)), KroneckerDelta(n, i), cos(n) * t,
        Piecewise((1, Eq(n, 0)), (0, True)), sb.Iverson(t > a), leaky_relu(t, a),
        Mul(2, t + a, evaluate=False), sympy.Add(t, t, evaluate=False),
        sympy.erf(t) / sympy.sqrt(t),
        Piecewise((t, (t > 0) & (a < 1)), (a, ~(t > 0) | (a > 2)), (0, True)),
    ]


@pytest.mark.parametrize("expr", expressions(), ids=str)
def test_expressions_come_back_as_they_were(expr: Any) -> None:
    tensors = tensors_in(expr)
    writer = Writer({tensor: number for number, tensor in enumerate(tensors)})
    place = writer.write(expr)
    again = Reader(json.loads(json.dumps(writer.table)), tensors).read(place)
    assert again == expr
    assert sympy.srepr(again) == sympy.srepr(expr)


def test_a_deep_expression_needs_no_recursion() -> None:
    t = sb.parameter("t")
    expr = t
    for _ in range(3000):
        expr = sympy.tanh(expr, evaluate=False)
    writer = Writer({t.tensor: 0})
    assert Reader(writer.table, [t.tensor]).made == {}
    place = writer.write(expr)
    again = Reader(writer.table, [t.tensor]).read(place)
    for _ in range(3000):
        (again,) = again.args
    assert again == t


def test_a_function_outside_the_grammar_is_refused_by_name(tmp_path: Path) -> None:
    x, w = sb.data("x", sb.size("N")), sb.parameter("w")
    (n,) = x.letters
    L = sb.define("L", (), Sum(sympy.besselj(0, w * x[n]), n))
    with pytest.raises(ProgramError, match="file grammar has no besselj"):
        Model(inputs=x, loss=L).save(tmp_path / FILE)
    assert not list(tmp_path.iterdir())


def changed(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Rewrite the program in a file."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    record = json.loads(metadata["model"])
    change(record)
    save_file(arrays, path, {**metadata, "model": json.dumps(record)})


def node(record: dict[str, Any], word: str) -> list[Any]:
    return next(row for row in record["table"] if row[0] == word)


@pytest.mark.parametrize("change", [
    lambda r: node(r, "tanh").__setitem__(0, "__import__('os').system('true')"),
    lambda r: node(r, "tanh").__setitem__(0, "__class__"),
    lambda r: node(r, "size").__setitem__(1, "N; import os"),
    lambda r: node(r, "index").__setitem__(1, "__import__('os')"),
    lambda r: node(r, "integer").__setitem__(1, "open('x')"),
    lambda r: node(r, "tanh").__setitem__(1, 10**6),
    lambda r: node(r, "tanh").__setitem__(1, -1),
    lambda r: node(r, "Add").append(len(r["table"]) - 1),
    lambda r: r["table"].__setitem__(0, "exec"),
    lambda r: r["tensors"][0].__setitem__("name", "x); import os; (y"),
    lambda r: r["tensors"][0].__setitem__("hint", "a\nb"),
    lambda r: r["tensors"][0].__setitem__("role", "code"),
    lambda r: r["tensors"][0].__setitem__("facts", [["magic", [], None]]),
    lambda r: r["tensors"].pop(),
    lambda r: r["definitions"][0].__setitem__(4, "eval"),
    lambda r: r["definitions"][0].__setitem__(0, 0),
    lambda r: r["definitions"].pop(),
    lambda r: r.pop("loss"),
    lambda r: r.update(dtype="float16"),
    lambda r: r["hypers"].update(lam="1"),
    lambda r: r["hypers"].update(mu=1.0),
])
def test_a_file_that_breaks_the_grammar_is_refused(tmp_path: Path, change: Any) -> None:
    classifier().save(tmp_path / FILE)
    changed(tmp_path / FILE, change)
    with pytest.raises(InputError):
        Model.load(tmp_path / FILE)


def test_numbers_that_do_not_fit_the_program_are_refused(tmp_path: Path) -> None:
    path = tmp_path / FILE
    model = classifier()
    model.save(path)
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    arrays = model.parameters.copy()
    for wrong in ({**arrays, "W1": np.zeros((2, 2))}, {"W1": arrays["W1"]},
                  {**arrays, "W1": np.full((3, 4), np.nan)}):
        save_file(wrong, path, metadata)
        with pytest.raises(InputError):
            Model.load(path)


def test_other_files_are_refused_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / FILE
    with pytest.raises(InputError, match="cannot be read as a saved model"):
        Model.load(path)
    path.write_bytes(pickle.dumps({"W1": 1}))
    with pytest.raises(InputError, match="cannot be read as a saved model"):
        Model.load(path)
    save_file({"W1": np.zeros(3)}, path)
    with pytest.raises(InputError, match="is no model saved by symbackprop"):
        Model.load(path)
    save_file({"W1": np.zeros(3)}, path, {"format": "symbackprop-model", "version": "99"})
    with pytest.raises(InputError, match="has version 99 .* reads version 1"):
        Model.load(path)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / FILE
    classifier().save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), max(len(whole) // 20, 1)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError):
            Model.load(path)


def test_saving_replaces_a_file_in_one_go(tmp_path: Path) -> None:
    model = classifier()
    model.save(tmp_path / FILE)
    model.parameters["b1"][...] = 1
    model.save(tmp_path / FILE)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert Model.load(tmp_path / FILE).parameters["b1"].tolist() == [1, 1, 1, 1]
