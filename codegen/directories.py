"""directory(): where generated modules and their object files lie; nobody else may write there.

    SYMBACKPROP_CACHE_DIR, else the user's cache: if it is ours, a real directory, and writable
    by nobody else; one with nothing but kernels in it is closed to all others
    else a directory of this process, which goes when the process ends

Object files are run, so that what is read must be ours as well: others may have put something
there before the directory was closed to them.
"""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
from functools import cache
from pathlib import Path

from symbackprop.errors import CompilationError


def directory() -> Path:
    """Where modules lie: SYMBACKPROP_CACHE_DIR, else the user's cache; private in any case."""
    given = os.environ.get("SYMBACKPROP_CACHE_DIR")
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        path = (Path(given) if given else Path(base) / "symbackprop").absolute()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _is_private(path):
            return path
    except (OSError, RuntimeError):  # no home, or one that cannot be written
        pass
    return own_directory()


def _is_private(path: Path) -> bool:
    """Whether a directory is ours, and we alone may write there.

    It is closed to all others if need be, unless it serves them too: SYMBACKPROP_CACHE_DIR=/tmp.
    """
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return False
    if hasattr(os, "getuid"):
        if found.st_uid != os.getuid():
            return False
        if found.st_mode & 0o077 and not found.st_mode & stat.S_ISVTX and _has_only_kernels(path):
            path.chmod(0o700)
        elif found.st_mode & 0o022:
            return False
    return os.access(path, os.W_OK | os.X_OK)


def _has_only_kernels(path: Path) -> bool:
    return all(entry.name.startswith("kernel_") for entry in path.iterdir())


def own_directory() -> Path:
    """A directory for this process, where the user's cache cannot be written."""
    if not _temporary().is_dir():  # systems clear such directories of files that are old
        _temporary.cache_clear()
    return _temporary()


@cache
def _temporary() -> Path:
    try:
        path = Path(tempfile.mkdtemp(prefix="symbackprop-"))
    except OSError as error:
        raise _unwritable(error) from error
    atexit.register(_remove, path, os.getpid())
    return path


def _remove(path: Path, owner: int) -> None:
    """The directory goes with the process that made it, not with a fork of that."""
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)


def _unwritable(error: OSError) -> CompilationError:
    return CompilationError(f"no directory for compiled kernels can be written ({error}); set "
                            "SYMBACKPROP_CACHE_DIR to one that can")


def content(path: Path) -> bytes:
    """What is in a file of ours; OSError where there is none, or others may write it."""
    found = path.stat()
    is_ours = not hasattr(os, "getuid") or (
        found.st_uid == os.getuid() and not found.st_mode & 0o022)
    if not (is_ours and stat.S_ISREG(found.st_mode)):
        raise PermissionError(f"{path} is no file that is ours alone")
    return path.read_bytes()


def write(path: Path, wanted: bytes) -> None:
    """Write a file whole or not at all; one that is there and equal keeps its time stamp."""
    try:
        if content(path) == wanted:
            return
    except OSError:
        pass
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(wanted)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)  # it is gone, unless something went wrong


def placed(path: Path, text: bytes) -> Path:
    """Where a module was written: there, or in a directory of this process if there is no room."""
    try:
        write(path, text)
    except OSError:
        path = own_directory() / path.name
        try:
            write(path, text)
        except OSError as error:
            raise _unwritable(error) from error
    return path
