"""Kernels of these tests are cached in a directory of their own."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYMBACKPROP_CACHE_DIR", str(tmp_path_factory.mktemp("kernels")))
        yield
