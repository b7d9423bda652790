"""Golden files, the seed of the random programs, a cache of kernels that begins empty, and fences.

What a stage prints is kept in tests/golden and compared letter by letter.  Random programs are
others in every run; the seed stands in the header of the run, and `pytest --seed` gives it back.
A test fails in which a kernel wrote next to the working memory that it was given in this test.
"""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from symbackprop.codegen import runtime
from tests.support.fences import Fences

GOLDEN = Path(__file__).parent / "golden"
SEED = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true",
                     help="write what is printed now into tests/golden; then read the diff")
    parser.addoption("--seed", type=int, help="the seed of the random programs (else a new one)")


def pytest_configure(config: pytest.Config) -> None:
    given = config.getoption("--seed")
    shared = getattr(config, "workerinput", {}).get("seed")  # from the main process of pytest-xdist
    drawn = secrets.randbelow(10**6) if given is None else given
    config.stash[SEED] = drawn if shared is None else shared
    if "SYMBACKPROP_CACHE_DIR" not in os.environ:  # workers inherit that of the main process
        cache = tempfile.TemporaryDirectory(prefix="symbackprop-")
        config.add_cleanup(cache.cleanup)
        os.environ["SYMBACKPROP_CACHE_DIR"] = cache.name


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["seed"] = node.config.stash[SEED]


def pytest_report_header(config: pytest.Config) -> str:
    return f"random programs: --seed {config.stash[SEED]}"


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The seed of this run, the same in every worker."""
    return pytestconfig.stash[SEED]


@pytest.fixture(scope="session")
def fences() -> Iterator[Fences]:
    """Around the working memory of each kernel from now on."""
    made = Fences()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "aligned", made.aligned)
        yield made


@pytest.fixture(autouse=True)
def fenced(fences: Fences) -> Iterator[None]:
    yield
    fences.check()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """golden("classifier.index.txt", text) fails where the text differs from the kept file."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"no golden file {name}; run pytest --update-golden and read it"
        assert text == path.read_text(encoding="utf-8"), f"{name} has changed: --update-golden"

    return compare
