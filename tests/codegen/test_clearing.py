"""The directory of kernels does not grow for ever."""

import os
from pathlib import Path
from time import time

import pytest

from symbackprop.codegen.clearing import DAY, clear
from tests.codegen.processes import run_in

STEM = "kernel_" + "0123456789"*2
SCRIPT = """
import symbackprop as sb
x = sb.data("x", 3)
print(sb.compile(x.sum()*{}).path)
"""


def put(path: Path, days: float) -> Path:
    path.write_text("")
    os.utime(path, (time() - days*DAY,)*2)
    return path


def test_what_nobody_has_read_for_long_goes_and_nothing_else_does(tmp_path: Path) -> None:
    old = [put(tmp_path / f"{STEM}.{ending}", 91) for ending in ("py", "o", "json")]
    old.append(put(tmp_path / f"{STEM}a_b8.new", 2))
    kept = [put(tmp_path / f"{STEM[:-1]}f.py", 89), put(tmp_path / f"{STEM}a_b9.new", 0.5),
            put(tmp_path / "notes.py", 1000), put(tmp_path / f"my_{STEM}.py", 1000),
            put(tmp_path / "kernel_of_mine.py", 1000)]
    clear(tmp_path)
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in kept)


def test_what_cannot_be_removed_stays(tmp_path: Path) -> None:
    folder = tmp_path / f"{STEM}.o"
    folder.mkdir()
    os.utime(folder, (0, 0))
    clear(tmp_path)
    clear(tmp_path / "nowhere")
    assert folder.is_dir()


def test_a_module_that_is_compiled_again_stays_however_old_it_is(tmp_path: Path) -> None:
    first, = run_in(tmp_path, SCRIPT.format(2))
    Path(first).with_suffix(".o").unlink()
    aged(tmp_path)
    assert run_in(tmp_path, SCRIPT.format(2)) == [first]
    assert {file.stem for file in tmp_path.iterdir()} == {Path(first).stem}
    assert len(list(tmp_path.iterdir())) == 3


def aged(cache: Path) -> None:
    for file in cache.iterdir():
        os.utime(file, (0, 0))


@pytest.mark.parametrize("read_again", [True, False])
def test_a_process_that_compiles_removes_kernels_that_are_old_but_for_those_in_use(
        tmp_path: Path, read_again: bool) -> None:
    first, = run_in(tmp_path, SCRIPT.format(2))
    aged(tmp_path)
    if read_again:
        assert run_in(tmp_path, SCRIPT.format(2)) == [first]
    second, = run_in(tmp_path, SCRIPT.format(3))
    stems = {Path(second).stem} | ({Path(first).stem} if read_again else set())
    assert {file.stem for file in tmp_path.iterdir()} == stems
    assert len(list(tmp_path.iterdir())) == 3*len(stems)
