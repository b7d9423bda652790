"""Where kernels lie: a directory that is ours alone, files that are ours, whole or not there."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from symbackprop.codegen import directories
from symbackprop.codegen.directories import content, directory, own_directory, placed, write
from symbackprop.errors import CompilationError
from tests.codegen.processes import environment


def test_the_directory_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_directory = tmp_path / "kernels"
    open_directory.mkdir(mode=0o777)
    open_directory.chmod(0o777)
    monkeypatch.setenv("SYMBACKPROP_CACHE_DIR", str(open_directory))
    (open_directory / "kernel_x.py").write_text("")
    assert directory() == open_directory
    assert stat.S_IMODE(open_directory.stat().st_mode) == 0o700


@pytest.mark.parametrize(("mode", "file", "is_used"), [
    (0o777, "theirs", False), (0o775, "theirs", False), (0o1777, None, False),
    (0o755, "theirs", True), (0o700, "theirs", True), (0o755, None, True), (0o777, None, True)])
def test_a_directory_that_serves_others_too_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, file: str | None, is_used: bool
) -> None:
    """Kernels lie there where nobody else may write; /tmp stays open to all, also for root."""
    path = tmp_path / "theirs"
    path.mkdir()
    if file:
        (path / file).write_text("")
    path.chmod(mode)
    monkeypatch.setenv("SYMBACKPROP_CACHE_DIR", str(path))
    assert (directory() == path) is is_used
    closed = 0o700 if is_used and not file else mode
    assert stat.S_IMODE(path.stat().st_mode) == closed


def test_a_link_or_a_file_is_not_taken_for_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link may lead to somebody else's files; kernels then lie in a directory of this process."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").write_text("")
    for name in ("link", "file", "file/below"):
        monkeypatch.setenv("SYMBACKPROP_CACHE_DIR", str(tmp_path / name))
        found = directory()
        assert found.parent == Path(tempfile.gettempdir())
        assert stat.S_IMODE(found.stat().st_mode) == 0o700


def test_the_cache_of_the_user_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                              ) -> None:
    monkeypatch.delenv("SYMBACKPROP_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert directory() == tmp_path / "symbackprop"


def without_a_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_without_a_home_kernels_lie_in_a_directory_of_this_process(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SYMBACKPROP_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(directories.Path, "home", without_a_home)
    assert directory().parent == Path(tempfile.gettempdir())


def test_a_directory_that_cannot_be_written_is_left_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYMBACKPROP_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(directories.os, "access", lambda path, mode: False)  # root may anywhere
    assert directory().parent == Path(tempfile.gettempdir())


def test_where_nothing_can_be_written_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYMBACKPROP_CACHE_DIR", "/proc/kernels")
    monkeypatch.setattr(directories.tempfile, "tempdir", str(tmp_path/"gone"))
    directories._temporary.cache_clear()
    with pytest.raises(CompilationError, match="set SYMBACKPROP_CACHE_DIR to one that can"):
        directory()
    with pytest.raises(CompilationError, match="set SYMBACKPROP_CACHE_DIR to one that can"):
        placed(tmp_path / "missing" / "kernel_x.py", b"text")


def test_a_directory_of_this_process_that_was_cleared_away_is_made_again() -> None:
    first = own_directory()
    assert own_directory() == first
    first.rmdir() if not any(first.iterdir()) else first.rename(first.with_suffix(".old"))
    second = own_directory()
    assert second.is_dir()
    assert second != first


def test_a_directory_of_a_process_goes_with_it_and_not_with_a_fork_of_it(tmp_path: Path) -> None:
    script = """
import os
from symbackprop.codegen.directories import own_directory, write
found = own_directory()
write(found / "kernel.py", b"text")
if hasattr(os, "fork"):
    if not (child := os.fork()):
        raise SystemExit  # with all that is done as a process ends
    os.waitpid(child, 0)
print((found / "kernel.py").read_text(), found.parent)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True,
                          text=True, env=environment(tmp_path, TMPDIR=str(tmp_path)))
    assert done.stdout.split() == ["text", str(tmp_path)]
    assert not any(tmp_path.iterdir())


def test_files_are_written_whole_and_an_equal_one_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "kernel_x.py"
    write(path, b"first")
    stamp = path.stat().st_mtime_ns
    write(path, b"first")
    assert path.stat().st_mtime_ns == stamp
    write(path, b"second")
    assert path.read_bytes() == b"second"
    assert [p.name for p in tmp_path.iterdir()] == ["kernel_x.py"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_write_that_is_interrupted_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    path = tmp_path / "kernel_x.py"
    write(path, b"first")

    def interrupted(source: object, target: object) -> None:
        raise error

    monkeypatch.setattr(directories.os, "replace", interrupted)
    with pytest.raises(error):
        write(path, b"second")
    assert [p.name for p in tmp_path.iterdir()] == ["kernel_x.py"]
    assert path.read_bytes() == b"first"


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owner here")
def test_a_file_that_others_may_have_written_is_not_read_and_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lay in a directory before it was closed to others may be theirs."""
    path = tmp_path / "kernel_x.o"
    write(path, b"ours")
    assert content(path) == b"ours"
    for mode in (0o620, 0o602, 0o666):
        path.chmod(mode)
        with pytest.raises(OSError, match="no file that is ours alone"):
            content(path)
    write(path, b"ours")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    owner = os.getuid()
    monkeypatch.setattr(directories.os, "getuid", lambda: owner + 1)
    with pytest.raises(OSError, match="no file that is ours alone"):
        content(path)


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no file that is ours alone"):
        content(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "kernel_x.o")
        with pytest.raises(OSError, match="no file that is ours alone"):
            content(tmp_path / "kernel_x.o")


def test_a_module_for_which_there_is_no_room_lies_in_a_directory_of_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def full(source: str, target: Path) -> None:
        if target.parent == tmp_path:
            raise OSError(28, "No space left on device")
        replace(source, target)

    assert placed(tmp_path / "kernel_x.py", b"text") == tmp_path / "kernel_x.py"
    monkeypatch.setattr(directories.os, "replace", full)
    found = placed(tmp_path / "kernel_y.py", b"text")
    assert found == own_directory() / "kernel_y.py"
    assert found.read_bytes() == b"text"
    assert [p.name for p in tmp_path.iterdir()] == ["kernel_x.py"]
