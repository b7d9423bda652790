"""How many cores a process may use: its affinity, and quotas of either version of cgroups."""

import os
from pathlib import Path

import pytest

from symbackprop.codegen import processors
from symbackprop.codegen.processors import cores, quota


def made(folder: Path, own: str, **files: str) -> int:
    """The quota of a process with this group, where files (folders by __) say so much."""
    path = folder / "own"
    path.write_text(own)
    for name, text in files.items():
        file = folder / "root" / Path(*name.split("__"))
        file = file.with_name(file.name.replace("_dot_", "."))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return quota(folder / "root", path)


@pytest.mark.parametrize(("own", "files", "cores"), [
    ("0::/\n", {"cpu_dot_max": "150000 100000\n"}, 2),
    ("0::/\n", {"cpu_dot_max": "max 100000\n"}, 64),
    ("0::/\n", {"cpu_dot_max": "50000 100000\n"}, 1),
    ("0::/\n", {}, 64),
    ("0::/user/me\n", {"user__cpu_dot_max": "300000 100000\n"}, 3),
    ("0::/user/me\n", {"user__cpu_dot_max": "300000 100000\n",
                       "user__me__cpu_dot_max": "max 100000\n"}, 3),
    ("0::/user/me\n", {"user__cpu_dot_max": "300000 100000\n",
                       "user__me__cpu_dot_max": "200000 100000\n"}, 2),
    ("0::/docker/abc\n", {"cpu_dot_max": "400000 100000\n"}, 4),  # a container is its own root
    ("0::/../other\n", {"cpu_dot_max": "400000 100000\n"}, 4),
    ("3:cpuset:/\n2:cpu,cpuacct:/docker/abc\n0::/\n",
     {"cpu__cpu_dot_cfs_quota_us": "250000\n", "cpu__cpu_dot_cfs_period_us": "100000\n"}, 3),
    ("1:cpu:/a\n", {"cpu__a__cpu_dot_cfs_quota_us": "100000\n",
                    "cpu__a__cpu_dot_cfs_period_us": "50000\n",
                    "cpu__cpu_dot_cfs_quota_us": "-1\n",
                    "cpu__cpu_dot_cfs_period_us": "100000\n"}, 2),
    ("1:cpuacct:/\n", {"cpu__cpu_dot_cfs_quota_us": "100000\n",
                       "cpu__cpu_dot_cfs_period_us": "100000\n"}, 64),
    ("0::/\n", {"cpu_dot_max": "garbage\n"}, 64),
    ("0::/\n", {"cpu_dot_max": "1 2 3\n"}, 64),
])
def test_the_least_quota_of_all_groups_is_what_holds(
    tmp_path: Path, own: str, files: dict[str, str], cores: int
) -> None:
    assert made(tmp_path, own, **files) == cores


def test_where_no_file_says_so_there_is_no_quota(tmp_path: Path) -> None:
    assert quota(tmp_path, tmp_path / "missing") == 64


def test_cores_are_those_of_the_affinity_and_of_the_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(12)), raising=False)
    monkeypatch.setattr(processors, "OWN", tmp_path / "own")
    monkeypatch.setattr(processors, "ROOT", tmp_path)
    assert cores() == 12
    (tmp_path / "own").write_text("0::/\n")
    (tmp_path / "cpu.max").write_text("500000 100000\n")
    quota.cache_clear()
    assert cores() == 5
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    assert cores() == 1
    quota.cache_clear()
