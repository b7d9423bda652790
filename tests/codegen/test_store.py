"""Generated modules are real files, private, written whole, and compiled once per machine."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import symbackprop as sb
from symbackprop.codegen import store
from symbackprop.errors import CompilationError

SCRIPT = """
import numpy as np
import symbackprop as sb
from symbackprop.codegen.store import load
from sympy import Sum, tanh
n, i, j = sb.indices("n i j", sb.size("N"), 4, 3)
x, W = sb.data("x", n, i), sb.parameter("W", i, j)
f = sb.compile(sb.define("h", (n, j), tanh(Sum(x[n, i]*W[i, j], i))))
found = f(x=np.ones((2, 4)), W=np.full((4, 3), 0.25))
assert abs(found - np.tanh(1)).max() < 1e-6, found
stats = load(f._module, "float32").call.stats
print(f.path, sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def run(cache: Path, seed: str = "0", script: str = SCRIPT) -> list[str]:
    environment = {**os.environ, "SYMBACKPROP_CACHE_DIR": str(cache), "PYTHONHASHSEED": seed}
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], env=environment,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


def test_the_next_process_finds_the_compiled_kernel(tmp_path: Path) -> None:
    """Also the product by BLAS: its symbol is resolved by name when the cache is read."""
    first = run(tmp_path)
    assert first[1:] == ["0", "1"]
    second = run(tmp_path, seed="1")
    assert second == [first[0], "1", "0"]


@pytest.mark.parametrize(("ending", "damage"), [
    (".nbi", "garbage"), (".nbi", "empty"), (".nbc", "garbage"), (".nbc", "cut"),
    (".json", "garbage"), (".py", "cut")])
def test_a_damaged_cache_file_means_a_silent_recompile(tmp_path: Path, ending: str, damage: str
                                                       ) -> None:
    first = run(tmp_path)
    (path,) = [p for p in tmp_path.rglob(f"*{ending}") if "kernel_" in p.name]
    content = path.read_bytes()
    path.write_bytes({"garbage": b"\x80\x04garbage", "empty": b"",
                      "cut": content[:len(content)//2]}[damage])
    again = run(tmp_path)
    assert again[0] == first[0]
    assert again[2] == "1" or ending == ".py"  # the text is restored, and fits what is compiled


def test_a_missing_cache_file_means_a_recompile(tmp_path: Path) -> None:
    run(tmp_path)
    for path in tmp_path.rglob("*.nbc"):
        path.unlink()
    assert run(tmp_path)[1:] == ["0", "1"]


def test_a_cache_file_that_cannot_be_read_means_a_recompile(tmp_path: Path) -> None:
    run(tmp_path)
    for path in tmp_path.rglob("*.nbc"):
        path.unlink()
        path.mkdir()
        path.rmdir()
        path.symlink_to(tmp_path / "nowhere")
    assert run(tmp_path)[2] == "1"


def test_the_directory_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_directory = tmp_path / "kernels"
    open_directory.mkdir(mode=0o777)
    open_directory.chmod(0o777)
    monkeypatch.setenv("SYMBACKPROP_CACHE_DIR", str(open_directory))
    assert store.directory() == open_directory
    assert stat.S_IMODE(open_directory.stat().st_mode) == 0o700


def test_a_link_or_a_file_is_not_taken_for_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link may lead to somebody else's files; kernels then lie in a directory of this process."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").write_text("")
    for name in ("link", "file", "file/below"):
        monkeypatch.setenv("SYMBACKPROP_CACHE_DIR", str(tmp_path / name))
        found = store.directory()
        assert found.parent == Path(tempfile.gettempdir())
        assert stat.S_IMODE(found.stat().st_mode) == 0o700


def test_the_cache_of_the_user_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                              ) -> None:
    monkeypatch.delenv("SYMBACKPROP_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert store.directory() == tmp_path / "symbackprop"


def without_a_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_without_a_home_kernels_lie_in_a_directory_of_this_process(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SYMBACKPROP_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(store.Path, "home", without_a_home)
    assert store.directory().parent == Path(tempfile.gettempdir())


def test_a_directory_that_cannot_be_written_is_left_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYMBACKPROP_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(store.os, "access", lambda path, mode: False)  # root may write anywhere
    assert store.directory().parent == Path(tempfile.gettempdir())


def test_where_nothing_can_be_written_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYMBACKPROP_CACHE_DIR", "/proc/kernels")
    monkeypatch.setattr(store.tempfile, "tempdir", str(tmp_path/"gone"))
    store._own_directory.cache_clear()
    with pytest.raises(CompilationError, match="set SYMBACKPROP_CACHE_DIR to one that can"):
        store.directory()


def test_kernels_without_numba_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    n = sb.indices("n", sb.size("N"))
    x = sb.data("x", n)
    monkeypatch.setattr(store.numba.config, "DISABLE_JIT", 1)
    with pytest.raises(CompilationError, match="NUMBA_DISABLE_JIT.*sb.evaluate"):
        sb.compile(sb.define("y", (n,), x[n]**9))


def test_files_are_written_whole_and_an_equal_one_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "kernel_x.py"
    store._written(path, "first")
    stamp = path.stat().st_mtime_ns
    store._written(path, "first")
    assert path.stat().st_mtime_ns == stamp
    store._written(path, "second")
    assert path.read_text() == "second"
    assert [p.name for p in tmp_path.iterdir()] == ["kernel_x.py"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_name_depends_on_the_text_numba_and_this_package(monkeypatch: pytest.MonkeyPatch
                                                             ) -> None:
    names = {store._digest("a"), store._digest("b")}
    monkeypatch.setattr(store.numba, "__version__", "0.99")
    names.add(store._digest("a"))
    monkeypatch.setattr(store, "_package_digest", lambda: "edited")
    names.add(store._digest("a"))
    assert len(names) == 4


def test_the_source_is_the_text_of_the_file() -> None:
    n = sb.indices("n", sb.size("N"))
    x = sb.data("x", n)
    f = sb.compile(sb.define("y", (n,), x[n]**2))
    assert f.path.read_text(encoding="utf-8") == f.source
    assert f.path.name.startswith("kernel_")


def test_a_program_that_was_compiled_is_not_compiled_again() -> None:
    n = sb.indices("n", sb.size("N"))
    x = sb.data("x", n)
    f = sb.compile(sb.define("y", (n,), x[n]**5))
    g = sb.compile(sb.define("y", (n,), x[n]**5))
    assert f._function is g._function
