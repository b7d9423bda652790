"""Object files are linked without Numba, have the bits of a fresh kernel, and are given words."""

import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
from sympy import Sum, gamma, tan, tanh

import symbackprop as sb
from symbackprop.codegen import building, store
from symbackprop.codegen.layout import Argument, Module
from symbackprop.codegen.passing import Block, Kind
from symbackprop.errors import CompilationError
from tests.codegen.processes import run_in

FIT = """
import sys
import numpy as np
import symbackprop as sb
n, i = sb.indices("n i", sb.size("N"), 6)
x, y = sb.data("x", n, i), sb.data("y", n, 3, facts=["one_hot"])
p = sb.softmax(sb.layers.dense(sb.layers.dense(x, 8, "tanh"), 3))
model = sb.Model(inputs=x, targets=y, output=p, loss=sb.losses.cross_entropy(p, y), seed=1)
X = np.random.default_rng(0).normal(size=(ROWS, 6)).astype(np.float32)
losses = model.fit(X, np.arange(ROWS) % 3, epochs=3, batch_size=ROWS//3, seed=2, threads=2,
                   verbose=False)["loss"]
bits = b"".join(v.tobytes() for v in (*model.parameters.values(), np.array(losses)))
print(bits.hex(), model.predict(X).tobytes().hex(), "numba" in sys.modules)
"""
BY_BLAS = """
from symbackprop.codegen import machine
machine.IS_WRITTEN_OUT = False  # as where vector registers are short
import sys
import numpy as np
import symbackprop as sb
from sympy import Sum
n, i, j = sb.indices("n i j", sb.size("N"), 400, 300)
x, W = sb.data("x", n, i), sb.parameter("W", i, j)
f = sb.compile(sb.define("h", (n, j), Sum(x[n, i]*W[i, j], i)))
left, right = (np.random.default_rng(0).normal(size=s) for s in ((90, 400), (400, 300)))
np.testing.assert_allclose(f(x=left, W=right), left @ right, atol=1e-3)
print("numba" in sys.modules)
"""


@pytest.mark.parametrize(("rows", "meets"), [(200, False), (50_000, True)])
def test_a_found_kernel_trains_bit_for_bit_as_the_compiled_one_and_without_numba(
    tmp_path: Path, rows: int, meets: bool
) -> None:
    """Also where threads share the steps, and give their core away as they wait."""
    script = FIT.replace("ROWS", str(rows))
    *first, compiled = run_in(tmp_path, script)
    *second, found = run_in(tmp_path, script)
    assert first == second
    assert (compiled, found) == ("True", "False")
    needed = "".join(path.read_text() for path in tmp_path.glob("*.json"))
    assert ("symbackprop_sched_yield" in needed) == meets


def test_the_product_of_scipy_is_found_by_name_without_numba(tmp_path: Path) -> None:
    assert run_in(tmp_path, BY_BLAS) == ["True"]
    assert "symbackprop_sgemm" in "".join(p.read_text() for p in tmp_path.glob("*.json"))
    assert run_in(tmp_path, BY_BLAS) == ["False"]


def test_a_module_runs_by_itself_where_it_is_taken(tmp_path: Path) -> None:
    n, i = sb.indices("n i", sb.size("N"), 3)
    x = sb.data("x", n, i)
    f = sb.compile(sb.define("y", (n,), Sum(tanh(x[n, i]), i)))
    taken = runpy.run_path(shutil.copy(f.path, tmp_path))["kernel"]
    given, found = np.arange(12, dtype=np.float32).reshape(4, 3), np.empty(4, np.float32)
    taken(4, given, found)
    np.testing.assert_array_equal(found, f(x=given))


def test_what_numba_reports_is_an_error() -> None:
    source = ("from numba import njit\n\n\n@njit(error_model='python')\n"
              "def inverse(count, numbers):\n    return numbers[1]/count\n")
    arguments = (Argument("count", "size"), Argument("numbers", "slot"))
    inverse = store.load(Module(source, "inverse", arguments), "float64").call
    assert inverse(4, np.array([1.0, 2.0])) == 0.5
    with pytest.raises(CompilationError, match="kernel_.*ended with Numba's status 1"):
        inverse(0, np.array([1.0, 2.0]))


@pytest.mark.parametrize("wrong", [
    np.ones(2, np.float32), np.ones((2, 2)), np.ones(4)[::2], np.ones(2, ">f8")])
def test_an_array_of_another_kind_reaches_no_kernel(wrong: np.ndarray) -> None:
    block = Block([Kind(np.dtype(np.float64), 1)])
    assert len(block.packed((np.ones(2),))) == 16
    with pytest.raises(CompilationError, match="expects float64 of rank 1"):
        block.packed((wrong,))
    frozen = np.ones(2)
    frozen.flags.writeable = False
    with pytest.raises(CompilationError, match="writable"):
        block.packed((frozen,))


def test_where_objects_have_another_form_no_symbol_that_is_needed_is_missed() -> None:
    """There the names are those that LLVM's text declares; some of them nobody calls."""
    n = sb.indices("n", sb.size("N"))
    x = sb.data("x", n)
    f = sb.compile(sb.define("y", (n,), tan(x[n]) + gamma(x[n]*3)))
    library = store.load(f._module, "float32").library
    needed = set(building._needs(library._get_compiled_object(), library))
    assert needed
    assert needed <= set(building._needs(b"another form", library))


def test_a_numba_that_cannot_be_imported_is_refused_in_words(tmp_path: Path) -> None:
    """As one that is too old for the NumPy that is there."""
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text(
        "raise ImportError('Numba needs NumPy 1.2 or less. Got NumPy 2.4.')")
    script = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import symbackprop as sb
x = sb.data("x", sb.size("N"))
try:
    sb.compile(x.sum())
except sb.CompilationError as error:
    print(error)
"""
    words = " ".join(run_in(tmp_path / "kernels", script))
    assert "kernels need Numba, which cannot be used here: Numba needs NumPy 1.2 or less" in words
    assert "sb.evaluate" in words


def test_a_numba_that_hands_out_no_object_code_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    n = sb.indices("n", sb.size("N"))
    x = sb.data("x", n)
    monkeypatch.delattr("numba.core.codegen.CodeLibrary._get_compiled_object")
    with pytest.raises(CompilationError, match=r"Numba .* does not hand out the object code"):
        sb.compile(sb.define("y", (n,), x[n]**19))
