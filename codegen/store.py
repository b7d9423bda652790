"""load(module, dtype): generated text as a real file, compiled, found by the next process.

Numba caches compiled functions beside their source file, and cannot cache text that was executed
from memory.  So each module is written, atomically, into a directory that is ours alone (0700),
named by a hash of its text, Numba's version and a digest of every file of this package: Numba
never notices that a helper which was compiled into a kernel has been edited since.

What Numba finds in a cache file it unpickles and runs.  A manifest beside the module holds a
digest of each cache file; one that does not match is removed before Numba sees it, and the
kernel is compiled again.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba import types

from symbackprop.codegen.layout import Argument, Module
from symbackprop.errors import CompilationError
from symbackprop.notation import Tensor

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
    """A compiled function of a generated module, and where that module lies."""

    call: Callable[..., Any]
    path: Path


def load(module: Module, dtype: str) -> Function:
    """The compiled function of a module; compiled once per machine, loaded once per process."""
    if numba.config.DISABLE_JIT:
        raise CompilationError("Numba is switched off by NUMBA_DISABLE_JIT, and kernels need it; "
                               "unset that, or use sb.evaluate, which needs no Numba")
    path = directory() / f"kernel_{_digest(module.source)}.py"
    with _lock:
        if path not in _loaded:
            _written(path, module.source)
            _loaded[path] = Function(_compiled(path, module, dtype), path)
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


def _digest(source: str) -> str:
    key = "\0".join((source, numba.__version__, _package_digest()))
    return hashlib.sha256(key.encode()).hexdigest()[:20]


def _written(path: Path, source: str) -> None:
    """Write a file whole or not at all; one that is there and equal keeps its time stamp."""
    try:
        if path.read_text(encoding="utf-8") == source:
            return
    except (OSError, UnicodeDecodeError):
        pass
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".new")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(source)
    os.replace(temporary, path)


def _compiled(path: Path, module: Module, dtype: str) -> Callable[..., Any]:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise CompilationError(f"the generated module {path} cannot be read")
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # where Numba looks for it when it reads its cache
    spec.loader.exec_module(made)
    function = getattr(made, module.function)
    folder = Path(function.stats.cache_path)
    _remove_unknown(path, folder)
    function.compile(signature(module.arguments, dtype))
    function.disable_compile()
    if function.stats.cache_misses:
        _written(_manifest(path), json.dumps(_digests(path, folder), indent=1))
    compiled: Callable[..., Any] = function
    return compiled


def signature(arguments: tuple[Argument, ...], dtype: str) -> tuple[Any, ...]:
    """The Numba types of the arguments."""
    real = types.float32 if dtype == "float32" else types.float64
    return tuple(_type(argument, real) for argument in arguments)


def _type(argument: Argument, real: Any) -> Any:
    match argument.kind, argument.subject:
        case ("size" | "batch_size" | "thread" | "threads" | "height", _):
            return types.int64
        case "meeting", _:
            return types.Array(types.int64, 1, "C")
        case "scalar", _:
            return real
        case "order", _:
            return types.Array(types.int64, 2, "C", readonly=False)
        case "losses", _:
            return types.Array(types.float64, 2, "C")
        case ("slot" | "labels") as kind, _:
            return types.Array(real if kind == "slot" else types.int64, 1, "C")
        case kind, Tensor() as tensor:
            rank = 1 if kind == "batch" else tensor.rank
            return types.Array(types.int64 if tensor.has_fact("label") else real, rank, "C")
    raise CompilationError(f"the argument {argument.name} has no type")


def _manifest(path: Path) -> Path:
    return path.with_suffix(".json")


def _cache_files(path: Path, folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob(f"{path.stem}.*") if p.suffix in (".nbi", ".nbc"))


def _digests(path: Path, folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in _cache_files(path, folder)}


def _remove_unknown(path: Path, folder: Path) -> None:
    """Remove cache files unless each is, byte for byte, what was written for this module."""
    try:
        known = json.loads(_manifest(path).read_text(encoding="utf-8"))
        if known == _digests(path, folder):
            return
    except (OSError, ValueError):
        pass
    for file in _cache_files(path, folder):
        file.unlink(missing_ok=True)
