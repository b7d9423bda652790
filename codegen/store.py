"""load(module, dtype): generated text as a real file, compiled, found by the next process.

Each module is written, atomically, into a directory that is ours alone (0700); beside it lies the
object file that was made of it, and a manifest with a digest of that.  The files are named by a
hash of all that the object depends on: the text and what its arguments are, the processor, the
versions of Numba and LLVM, what Numba is told by its environment, and every file of this package.

An object whose digest is in its manifest is linked (`objects`), and Numba is not even imported.
On any doubt the kernel is compiled again.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import stat
import tempfile
import threading
from collections.abc import Callable
from ctypes import byref, c_double
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from symbackprop.codegen.layout import Module
from symbackprop.codegen.objects import Native, Object, linked
from symbackprop.codegen.passing import Block, Kind, kinds_of
from symbackprop.errors import CompilationError

# what Numba is told about the code that it makes, e.g. NUMBA_ENABLE_AVX
TOLD = tuple(f"NUMBA_{name}" for name in (
    "CPU_NAME CPU_FEATURES ENABLE_AVX OPT LOOP_VECTORIZE SLP_VECTORIZE DISABLE_INTEL_SVML "
    "DEBUGINFO BOUNDSCHECK").split())

_lock = threading.RLock()
_loaded: dict[Path, Function] = {}


def _unlock() -> None:
    """In a child of a fork the thread that compiled, and held the lock, is not there."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


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
    path = directory() / f"kernel_{_digest(module.source, kinds)}.py"
    with _lock:
        if path not in _loaded:
            _written(path, module.source.encode())
            _loaded[path] = _found(path, kinds) or _made(path, module.function, kinds)
        return _loaded[path]


def directory() -> Path:
    """Where modules lie: SYMBACKPROP_CACHE_DIR, else the user's cache; private in any case."""
    given = os.environ.get("SYMBACKPROP_CACHE_DIR")
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        path = (Path(given) if given else Path(base) / "symbackprop").absolute()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_private(path):
            return path
    except (OSError, RuntimeError):  # no home, or one that cannot be written
        pass
    return _own_directory()


def is_private(path: Path) -> bool:
    """Whether a directory is ours, writable, and closed to all others (it is closed if need be)."""
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return False
    if hasattr(os, "getuid"):
        if found.st_uid != os.getuid():
            return False
        if stat.S_IMODE(found.st_mode) & 0o077:
            path.chmod(0o700)
    return os.access(path, os.W_OK | os.X_OK)


@cache
def _own_directory() -> Path:
    """A directory for this process, where the user's cache cannot be written."""
    try:
        return Path(tempfile.mkdtemp(prefix="symbackprop-"))
    except OSError as error:
        raise CompilationError(f"no directory for compiled kernels can be written ({error}); set "
                               "SYMBACKPROP_CACHE_DIR to one that can") from error


@cache
def _package_digest() -> str:
    found = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        found.update(path.relative_to(root).as_posix().encode())
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


def _written(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; one that is there and equal keeps its time stamp."""
    try:
        if path.read_bytes() == content:
            return
    except OSError:
        pass
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def _found(path: Path, kinds: tuple[Kind, ...]) -> Function | None:
    """The function whose object lies beside a module; None if it is not what was written."""
    kept = _kept(path)
    if kept is None:
        return None
    native = linked(kept)
    if native is None:  # something that Numba brings
        _builder()
        native = linked(kept)
    return None if native is None else Function(_caller(native, kinds, path), path)


def _kept(path: Path) -> Object | None:
    """The object beside a module, if its manifest knows it."""
    try:
        data = path.with_suffix(".o").read_bytes()
        manifest = json.loads(path.with_suffix(".json").read_bytes())
    except (OSError, ValueError):
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
        _written(path.with_suffix(".o"), made.data)
        _written(path.with_suffix(".json"), json.dumps(manifest, indent=1).encode())
    except OSError:  # the next process compiles it again
        pass
    return Function(_caller(native, kinds, path), path, library)


def _builder() -> Any:
    """The module that compiles; imported on first use, since it imports Numba."""
    return importlib.import_module("symbackprop.codegen.building")


def _caller(native: Native, kinds: tuple[Kind, ...], path: Path) -> Callable[..., float]:
    """The native function as one of arrays and numbers; CompilationError if it fails."""
    packed = Block(kinds).packed

    def call(*values: Any) -> float:
        result = c_double()
        if status := native(packed(values), byref(result)):
            raise CompilationError(f"the kernel {path} ended with Numba's status {status}")
        return result.value

    return call
