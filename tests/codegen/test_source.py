"""The text of kernels: readable, safe, alike in every process, of one length at any width."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sympy import Idx, Sum, Symbol, exp, log, sqrt, tanh

import symbackprop as sb
from symbackprop.codegen import Executable
from symbackprop.codegen.driver import kernel_of
from symbackprop.codegen.layout import wrapped
from symbackprop.codegen.naming import distinct, spelled
from symbackprop.normal import normalise
from symbackprop.simplification import simplify

Golden = Callable[[str, str], None]
CLASSIFIER = '''
import symbackprop as sb
from sympy import Sum, exp, log, tanh
for unrelated in range({unrelated}):
    sb.data(f"u{{unrelated}}", unrelated + 1)
N = sb.size("N")
n, i, j, k = sb.indices("n i j k", N, 8, 6, 3)
x, y = sb.data("x", n, i), sb.data("y", n, k, facts=[sb.one_hot(k)])
h = sb.layers.dense(sb.layers.dense(x, 6, "tanh"), 6, "sigmoid")
p = sb.softmax(sb.layers.dense(h, 3))
L = sb.losses.cross_entropy(p, y) + sb.penalties.l2(1e-3)
L = sb.program(L).outputs[0]
d = sb.derive(L)
f = sb.compile([L, *[d[w] for w in sb.program(L).inputs if w.role == "parameter"]])
print(f.path.name)
print(f.source)
'''


def two_layers(width: int) -> Executable:
    n, i, j, k = sb.indices("n i j k", sb.size("N"), width, width + 1, width + 2)
    x, y = sb.data("x", n, i), sb.data("y", n, k, facts=[sb.one_hot(k)])
    w1, b1 = sb.parameter("W1", i, j), sb.parameter("b1", j)
    w2, b2 = sb.parameter("W2", j, k), sb.parameter("b2", k)
    h = sb.define("h", (n, j), tanh(Sum(x[n, i]*w1[i, j], i) + b1[j]))
    z = sb.define("z", (n, k), Sum(h[n, j]*w2[j, k], j) + b2[k])
    p = sb.define("p", (n, k), exp(z[n, k])/Sum(exp(z[n, k]), k))
    loss = sb.define("L", (), -Sum(y[n, k]*log(p[n, k]), n, k)/sb.size("N"))
    d = sb.derive(loss)
    return sb.compile([loss, d[w1], d[b1], d[w2], d[b2]])


def test_sources_of_widths_8_and_800_differ_in_literals_only() -> None:
    narrow, wide = (two_layers(width).source for width in (8, 800))
    assert narrow != wide
    widened = re.sub(r"\b(8|9|10)\b", lambda found: str(int(found[0]) + 792), narrow)
    assert widened == wide


def test_source_and_path_are_the_same_in_every_process(tmp_path: Path) -> None:
    texts = set()
    for seed, unrelated in ((0, 0), (1, 0), (2, 7), (3, 12)):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed),
                       "SYMBACKPROP_CACHE_DIR": str(tmp_path)}
        done = subprocess.run([sys.executable, "-c", CLASSIFIER.format(unrelated=unrelated)],
                              env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        texts.add(done.stdout)
    assert len(texts) == 1
    assert "def kernel(" in texts.pop()


def test_every_statement_stands_under_its_formula(golden: Golden) -> None:
    """Formulas, pseudo-code and source of a two-layer classifier, kept for reading."""
    f = two_layers(8)
    golden("two_layers.kernel.py", f.source)
    golden("two_layers.kernel.txt", f"{f.kernel}\n")
    golden("two_layers.program.txt", f"{f.kernel.program}\n")
    assert f.source.count("    # ") == len(f.kernel.stages)


def test_sources_compile_as_python_with_lines_that_fit_on_a_page() -> None:
    source = two_layers(8).source
    compile(source, "kernel", "exec")
    assert max(map(len, source.splitlines())) <= 99


@pytest.mark.parametrize("name", [
    "x\nimport os", "x; import os", "x'''", "x[0]", "exec", "__import__", "x\u2028y", "lambda",
    "np", "real", "N", "order", "view", "x\u202ey",
])
def test_names_never_enter_the_source_raw(name: str) -> None:
    """Names of indices and sizes that were not made by sb.indices can hold anything."""
    size = Symbol(name, integer=True, positive=True)
    index = Idx(Symbol(name, integer=True), 3)
    x = sb.data("x", size, index)
    letters = x.letters
    s = sb.define("s", (letters[0],), Sum(x[letters]**2, letters[1]))
    source = kernel_source(s)
    code = re.sub(r"#.*", "", source)
    compile(source, "kernel", "exec")
    assert "\nimport os" not in source
    assert not re.search(r"\bimport os|__import__|exec\(|'''", code)
    assert source.isascii() or all(c.isprintable() or c == "\n" for c in source)


def kernel_source(*outputs: object) -> str:
    from symbackprop.codegen.modules import emit
    return emit(kernel_of(simplify(normalise(sb.program(list(outputs))))), "float32").source


@pytest.mark.parametrize(("name", "identifier"), [
    ("δ1", "delta1"), ("∂L/∂W1", "dLdW1"), ("W′", "W_prime"), ("Ω", "Omega"), ("ŷ", "y_hat"),
    ("h̄", "h_bar"), ("λ", "lamda"), ("lambda", "lambda_"), ("x₁", "x1"), ("3d", "t_3d"),
    ("变", "u53d8_"), ("", "t_"), ("tanh", "tanh_"), ("ς", "sigma"), ("_x", "x"),
])
def test_identifiers_are_ascii_words(name: str, identifier: str) -> None:
    assert spelled(name) == identifier


def test_identifiers_are_distinct() -> None:
    assert distinct(["δ", "delta", "delta_2", "δ"]) == ["delta", "delta_2", "delta_2_2", "delta_3"]
    assert distinct(["x"], taken=["x"]) == ["x_2"]


def test_a_wide_assignment_is_cut_at_its_terms() -> None:
    terms = " + ".join(f"alpha[i, {number}]*beta[i - {number}]" for number in range(8))
    lines = wrapped(f"        total += {terms}")
    assert lines[0] == "        total += ("
    assert max(map(len, lines)) <= 99
    assert " ".join(line.strip() for line in lines[1:-1]) == terms


def test_numbers_are_rounded_once() -> None:
    n = sb.indices("n", 3)
    x = sb.data("x", n)
    source = sb.compile(sb.define("y", (n,), 2*x[n]/3 + 0.1 - n*sqrt(2))).source
    (line,) = [line for line in source.splitlines() if "y[n] =" in line and "#" not in line]
    assert re.findall(r"real\(([^()]*)\)", line) == ["0.1", "2", "3", "1.4142135623730951", "n"]
    assert not re.search(r"\d", re.sub(r"real\([^()]*\)", "", line))
