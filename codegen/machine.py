"""What of this machine decides how kernels are made: its vector registers and its caches."""

from __future__ import annotations

from functools import cache

import llvmlite.binding as llvm

FITTING = 2**17  # bytes of B, and of an A that is read by columns, that stay in the cache


@cache
def register_bytes() -> int:
    """The length of a vector register of this machine."""
    features = llvm.get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx2") else 16


IS_WRITTEN_OUT = register_bytes() > 16  # large products too: with short registers BLAS is ahead
