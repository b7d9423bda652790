"""Every example in a docstring runs as written, under the name that the module is installed by."""

import doctest
import importlib
import pkgutil

import pytest

import symbackprop
import symbackprop.codegen

MODULES = sorted({
    "symbackprop",
    *(found.name for package in (symbackprop, symbackprop.codegen)
      for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")),
})


def test_the_list_of_modules_reaches_the_compiler() -> None:
    assert {"symbackprop.notation", "symbackprop.codegen.schedule"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_run_as_written(name: str) -> None:
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
