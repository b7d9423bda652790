"""load(module, dtype): generated text as a real file, compiled, found by the next process.

Each module is written, atomically, into a directory that is ours alone (`directories`); beside it
lies the object file that was made of it, and a manifest with a digest of that.  The files are named
by a hash of all that the object depends on: the text and what its arguments are, the processor, the
versions of Numba and LLVM, what Numba is told by its environment, and every file of this package.

An object whose digest is in its manifest is linked (`objects`), and Numba is not even imported.
On any doubt the kernel is compiled again.  What nobody reads for long goes (`clearing`).
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import logging  # noqa: F401  hooks of a fork run in reverse: first ours, then that of logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from ctypes import byref, c_double
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from symbackprop import philox
from symbackprop.codegen.clearing import clear, mark
from symbackprop.codegen.directories import content, directory, placed, write
from symbackprop.codegen.layout import Module
from symbackprop.codegen.objects import Native, Object, linked
from symbackprop.codegen.passing import Block, Kind, kinds_of
from symbackprop.errors import CompilationError

# what Numba is told about the code that it makes, e.g. NUMBA_ENABLE_AVX
TOLD = tuple(f"NUMBA_{name}" for name in (
    "CPU_NAME CPU_FEATURES ENABLE_AVX OPT LOOP_VECTORIZE SLP_VECTORIZE DISABLE_INTEL_SVML "
    "DEBUGINFO BOUNDSCHECK").split())
BESIDE = (philox,)  # modules that functions of kernels read numbers of, outside of this package

PATIENCE = 60.0  # seconds that a fork waits for whoever compiles

_lock = threading.RLock()
_loaded: dict[Path, Function] = {}


def _wait() -> None:
    """A child of a fork lacks the thread that compiles, and Numba and LLVM would wait for it."""
    _lock.acquire(timeout=PATIENCE)


def _go_on() -> None:
    with suppress(RuntimeError):  # it has waited in vain
        _lock.release()


def _begin_anew() -> None:
    global _lock
    try:
        _lock.release()
    except RuntimeError:
        _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait, after_in_parent=_go_on, after_in_child=_begin_anew)


@dataclass(frozen=True, slots=True)
class Function:
    """A compiled function of a generated module, and where that module lies.

    library: what Numba made of it, for those who look inside; None where it was found compiled.
    """

    call: Callable[..., float]
    path: Path
    library: Any = None


def load(module: Module, dtype: str) -> Function:
    """The compiled function of a module; compiled once per machine, loaded once per process."""
    kinds = kinds_of(module.arguments, dtype)
    name = f"kernel_{_digest(module.source, kinds)}.py"
    with _lock:
        path = directory() / name
        if path not in _loaded:
            path = placed(path, module.source.encode())
            mark(path)
        if path not in _loaded:
            _loaded[path] = _found(path, kinds) or _made(path, module.function, kinds)
        return _loaded[path]


@cache
def _package_digest() -> str:
    root = Path(__file__).parent
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*.py")}
    files |= {module.__name__: Path(str(module.__file__)) for module in BESIDE}
    found = hashlib.sha256()
    for name, path in sorted(files.items()):
        found.update(name.encode())
        found.update(path.read_bytes())
    return found.hexdigest()


@cache
def _tools() -> tuple[str, ...]:
    """Numba and LLVM, what they are told, and the processor; without importing Numba."""
    spec = importlib.util.find_spec("numba")
    if spec is None or spec.origin is None:
        raise CompilationError("kernels need Numba, which is not installed; sb.evaluate does not")
    places = (Path(spec.origin), Path(spec.origin).with_name("_version.py"))
    version = b"".join(place.read_bytes() for place in places if place.exists())
    return (hashlib.sha256(version).hexdigest(), llvmlite.__version__, llvm.get_process_triple(),
            llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(),
            *(f"{name}={os.environ.get(name)}" for name in TOLD))


def _digest(source: str, kinds: tuple[Kind, ...]) -> str:
    key = "\0".join((source, repr(kinds), *_tools(), _package_digest()))
    return hashlib.sha256(key.encode()).hexdigest()[:20]


def _found(path: Path, kinds: tuple[Kind, ...]) -> Function | None:
    """The function whose object lies beside a module; None if it is not what was written."""
    kept = _kept(path)
    if kept is None:
        return None
    native = linked(kept)
    if native is None:  # something that Numba brings
        _builder()
        native = linked(kept)
    if native is None:
        return None
    return Function(_caller(native, kinds, path), path)


def _kept(path: Path) -> Object | None:
    """The object beside a module, if its manifest knows it."""
    try:
        data = content(path.with_suffix(".o"))
        manifest = json.loads(content(path.with_suffix(".json")))
    except (OSError, ValueError, RecursionError):
        return None
    match manifest:
        case {"digest": str(digest), "needs": [*needs]} if all(isinstance(n, str) for n in needs):
            made = Object(data, path.stem, tuple(needs))
            return made if digest == _seal(made) else None
    return None


def _seal(made: Object) -> str:
    """A digest of all that is known of an object."""
    words = json.dumps([made.entry, *made.needs])
    return hashlib.sha256(words.encode() + made.data).hexdigest()


def _made(path: Path, name: str, kinds: tuple[Kind, ...]) -> Function:
    """The function compiled now, and its object left for the next process."""
    made, library = _builder().built(path, name, kinds)
    native = linked(made)
    if native is None:
        raise CompilationError(f"the compiled kernel {path} needs {', '.join(made.needs)}, of "
                               "which something is missing in this process")
    manifest = {"digest": _seal(made), "needs": made.needs}
    try:
        write(path.with_suffix(".o"), made.data)
        write(path.with_suffix(".json"), json.dumps(manifest, indent=1).encode())
    except OSError:  # the next process compiles it again
        pass
    clear(path.parent)
    return Function(_caller(native, kinds, path), path, library)


def _builder() -> Any:
    """The module that compiles; imported on first use, since it imports Numba."""
    try:
        return importlib.import_module("symbackprop.codegen.building")
    except ImportError as error:
        raise CompilationError(f"kernels need Numba, which cannot be used here: {error}; install "
                               "versions that fit together, or use sb.evaluate, which needs no "
                               "Numba") from error


def _caller(native: Native, kinds: tuple[Kind, ...], path: Path) -> Callable[..., float]:
    """The native function as one of arrays and numbers; CompilationError if it fails."""
    packed = Block(kinds).packed

    def call(*values: Any) -> float:
        result = c_double()
        if status := native(packed(values), byref(result)):
            raise CompilationError(f"the kernel {path} ended with Numba's status {status}")
        return result.value

    return call
