"""Generated modules are real files, private, written whole, and compiled once per machine."""

import json
import os
import re
import shutil
import subprocess
import sys
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

FORK = """
import os, threading, time, warnings
import symbackprop as sb
from symbackprop.codegen import store
import numba
warnings.simplefilter("ignore")
x = sb.data("x", 3)
compiling = threading.Thread(target=lambda: sb.compile(sb.tanh(x).sum()))
compiling.start()
while compiling.is_alive() and store._lock.acquire(blocking=False):
    store._lock.release()
    time.sleep(0.001)
time.sleep(0.1)
if not (child := os.fork()):
    print(*sb.compile(x*x*x)(x=[1, 2, 3]), flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
compiling.join()
"""
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_process_forked_while_another_thread_compiles_compiles_too(tmp_path: Path) -> None:
    """The fork waits for the compiler, which may wait for the lock of logging: that comes later."""
    assert run_in(tmp_path, FORK) == ["1.0", "8.0", "27.0"]


@pytest.mark.parametrize(("ending", "content"), [
    (".o", b"\x80\x04garbage"), (".o", b""), (".json", b"\x80garbage"), (".json", b"[]"),
    (".json", b'{"digest": "0", "needs": []}'), (".json", b'{"digest": "0", "needs": [1]}'),
    (".json", b"["*10**5), (".py", b"")])
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


def test_whatever_byte_is_another_the_object_is_that_which_was_written_or_none(
    tmp_path: Path, compiled: Copy
) -> None:
    path = compiled(tmp_path)
    kept, draws = store._kept(path), np.random.default_rng(0)
    assert kept is not None
    for file in (path.with_suffix(".o"), path.with_suffix(".json")):
        whole = file.read_bytes()
        places = {*range(min(len(whole), 200)), *draws.integers(len(whole), size=300).tolist(),
                  *range(max(0, len(whole) - 200), len(whole))}  # headers, code, symbols
        for place in places:
            for byte in {0, 255, ord(" "), whole[place] ^ 1} - {whole[place]}:
                file.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1:])
                assert store._kept(path) in (None, kept)
        for end in range(0, len(whole), max(1, len(whole)//50)):
            file.write_bytes(whole[:end])
            assert store._kept(path) is None
        file.write_bytes(whole)
    assert store._kept(path) == kept


def test_an_object_that_others_may_have_put_there_is_compiled_again(
    tmp_path: Path, compiled: Copy
) -> None:
    """The directory was open to all, and is closed now; what lies there may be theirs."""
    path = compiled(tmp_path)
    tmp_path.chmod(0o777)
    path.with_suffix(".o").chmod(0o666)
    assert run(tmp_path)[1] == "compiled"
    assert run(tmp_path)[1] == "found"


def test_where_a_module_cannot_be_written_the_kernel_lies_elsewhere(
    tmp_path: Path, compiled: Copy
) -> None:
    path = compiled(tmp_path)
    path.unlink()
    path.mkdir()
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    found, state = run(tmp_path, TMPDIR=str(elsewhere))
    assert state == "compiled"
    assert Path(found).parent.parent == elsewhere


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
    monkeypatch.undo()
    store._tools.cache_clear()


def test_all_that_functions_of_kernels_read_numbers_of_is_in_the_name() -> None:
    """The modules that a kernel imports, and what these import: all of this package, and BESIDE."""
    package = Path(store.__file__).parent
    pattern = re.compile(r"^(?:from|import) symbackprop\.([\w.]+)(?: import (.*))?", re.MULTILINE)
    left = re.findall(r'"symbackprop\.codegen\.(\w+)"', (package/"layout.py").read_text())
    assert len(left) > 5
    seen, outside = set(left), set()
    while left:
        text = (package/f"{left.pop()}.py").read_text()
        for module, names in pattern.findall(text):
            if not module.startswith("codegen"):
                outside.add(f"symbackprop.{module}")
                continue
            own = names.split(", ") if module == "codegen" else [module.removeprefix("codegen.")]
            left += [name for name in own if name not in seen]
            seen.update(own)
    assert "arithmetic" in seen
    assert outside - {"symbackprop.errors"} == {module.__name__ for module in store.BESIDE}


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
