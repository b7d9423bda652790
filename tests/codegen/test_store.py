"""Generated modules are real files, private, written whole, and compiled once per machine."""

import json
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import symbackprop as sb
from symbackprop.codegen import store
from symbackprop.codegen.objects import Object
from symbackprop.codegen.passing import Kind
from symbackprop.errors import CompilationError
from tests.codegen.processes import environment, run_in

Copy = Callable[[Path], Path]
SCRIPT = """
import sys
import numpy as np
import symbackprop as sb
from symbackprop.codegen.store import load
from sympy import Sum, tanh
n, i, j = sb.indices("n i j", sb.size("N"), 4, 3)
x, W = sb.data("x", n, i), sb.parameter("W", i, j)
f = sb.compile(sb.define("h", (n, j), tanh(Sum(x[n, i]*W[i, j], i))))
found = f(x=np.ones((2, 4)), W=np.full((4, 3), 0.25))
assert abs(found - np.tanh(1)).max() < 1e-6, found
made = load(f._module, "float32").library is not None
assert made == ("numba" in sys.modules)
print(f.path, "compiled" if made else "found")
"""


def run(cache: Path, **more: str) -> list[str]:
    return run_in(cache, SCRIPT, **more)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Puts the compiled kernel of the script into a directory, and says where its module is."""
    once = tmp_path_factory.mktemp("once")
    assert run(once)[1] == "compiled"

    def copied(folder: Path) -> Path:
        for file in once.iterdir():
            shutil.copy(file, folder)
        (path,) = folder.glob("*.py")
        return path

    return copied


def test_the_next_process_finds_the_compiled_kernel(tmp_path: Path) -> None:
    first = run(tmp_path)
    assert first[1] == "compiled"
    assert run(tmp_path, PYTHONHASHSEED="1") == [first[0], "found"]
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".o", ".py"]  # no pickles


def test_processes_that_compile_the_same_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-W", "error", "-c", SCRIPT],
                                env=environment(tmp_path), stdout=subprocess.PIPE)
               for _ in range(3)]
    assert len({process.communicate()[0].split()[0] for process in running}) == 1
    assert not any(process.returncode for process in running)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".o", ".py"]


@pytest.mark.parametrize(("ending", "content"), [
    (".o", b"\x80\x04garbage"), (".o", b""), (".json", b"\x80garbage"), (".json", b"[]"),
    (".json", b'{"digest": "0", "needs": []}'), (".json", b'{"digest": "0", "needs": [1]}'),
    (".py", b"")])
def test_a_damaged_file_means_a_silent_recompile(
    tmp_path: Path, ending: str, content: bytes, compiled: Copy
) -> None:
    path = compiled(tmp_path).with_suffix(ending)
    kept = path.read_bytes()
    path.write_bytes(content)
    state = "found" if ending == ".py" else "compiled"
    assert run(tmp_path) == [str(path.with_suffix(".py")), state]
    if ending == ".py":  # the text is restored, and fits what is compiled
        assert path.read_bytes() == kept


def test_an_object_that_is_cut_or_changed_in_one_bit_is_compiled_again(
    tmp_path: Path, compiled: Copy
) -> None:
    path = compiled(tmp_path).with_suffix(".o")
    content = path.read_bytes()
    for damaged in (content[:len(content)//2], content[:999] + bytes([content[999] ^ 1])
                    + content[1000:]):
        path.write_bytes(damaged)
        assert run(tmp_path)[1] == "compiled"


def test_an_object_that_needs_what_is_not_there_is_compiled_again(
    tmp_path: Path, compiled: Copy
) -> None:
    """LLVM would end the process."""
    path = compiled(tmp_path)
    made = Object(path.with_suffix(".o").read_bytes(), path.stem, ("nobody_has_this",))
    manifest = {"digest": store._seal(made), "needs": made.needs}
    path.with_suffix(".json").write_text(json.dumps(manifest))
    assert run(tmp_path)[1] == "compiled"


@pytest.mark.parametrize("ending", [".o", ".json"])
def test_a_missing_file_means_a_recompile(tmp_path: Path, ending: str, compiled: Copy) -> None:
    path = compiled(tmp_path).with_suffix(ending)
    path.unlink()
    assert run(tmp_path)[1] == "compiled"
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    assert run(tmp_path)[1] == "compiled"


def test_an_object_that_cannot_be_kept_is_used_all_the_same(
    tmp_path: Path, compiled: Copy
) -> None:
    path = compiled(tmp_path).with_suffix(".o")
    path.unlink()
    path.mkdir()
    assert run(tmp_path)[1] == "compiled"
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".o", ".py"]


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


def test_where_numba_is_switched_off_kernels_are_refused_in_words(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    n = sb.indices("n", sb.size("N"))
    x = sb.data("x", n)
    monkeypatch.setattr("numba.config.DISABLE_JIT", 1)
    with pytest.raises(CompilationError, match="NUMBA_DISABLE_JIT.*sb.evaluate"):
        sb.compile(sb.define("y", (n,), x[n]**9))


def test_where_numba_is_switched_off_kernels_that_are_found_still_run(
    tmp_path: Path, compiled: Copy
) -> None:
    compiled(tmp_path)
    assert run(tmp_path, NUMBA_DISABLE_JIT="1")[1] == "found"


def test_files_are_written_whole_and_an_equal_one_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "kernel_x.py"
    store._written(path, b"first")
    stamp = path.stat().st_mtime_ns
    store._written(path, b"first")
    assert path.stat().st_mtime_ns == stamp
    store._written(path, b"second")
    assert path.read_bytes() == b"second"
    assert [p.name for p in tmp_path.iterdir()] == ["kernel_x.py"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_name_depends_on_the_text_the_arguments_the_tools_and_this_package(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    number, vector = Kind(np.dtype("int64")), Kind(np.dtype("int64"), 1)
    names = {store._digest("a", (number,)), store._digest("b", (number,)),
             store._digest("a", (vector,))}
    for function, value in (("get_host_cpu_name", "another"), ("get_process_triple", "a-b-c")):
        store._tools.cache_clear()
        monkeypatch.setattr(store.llvm, function, lambda value=value: value)
        names.add(store._digest("a", (number,)))
    store._tools.cache_clear()
    monkeypatch.setenv("NUMBA_ENABLE_AVX", "0")
    names.add(store._digest("a", (number,)))
    monkeypatch.setattr(store, "_tools", lambda: ("another version of Numba",))
    names.add(store._digest("a", (number,)))
    monkeypatch.setattr(store, "_package_digest", lambda: "edited")
    names.add(store._digest("a", (number,)))
    assert len(names) == 8


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
