"""Straight: Numba's passes that a generated kernel needs, and none of the others.

Numba runs some twenty passes, for closures, generators, `with` and much else that kernels have
none of, and after each it finds out anew which variables are alive where, which takes time in
blocks times variables.  A step with two convolutions compiled in 12.5 s of CPU with all, in 10 with
these (`numba.core.compiler.CompilerBase` is Numba's own way to choose them).
"""

from __future__ import annotations

from typing import Any

from numba.core import typed_passes, untyped_passes
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager

_PASSES = (
    (untyped_passes.TranslateByteCode, "analyzing bytecode"),
    (untyped_passes.FixupArgs, "fix up args"),
    (untyped_passes.GenericRewrites, "constant places and powers"),
    (untyped_passes.ReconstructSSA, "ssa"),
    (typed_passes.NopythonTypeInference, "nopython frontend"),
    (typed_passes.PreLowerStripPhis, "remove phi nodes"),
    (typed_passes.IRLegalization, "ensure IR is legal prior to lowering"),
    (typed_passes.AnnotateTypes, "annotate types"),
    (typed_passes.NativeLowering, "native lowering"),
    (typed_passes.NoPythonBackend, "nopython mode backend"),
)


class Straight(CompilerBase):  # type: ignore[misc]
    """The pipeline of kernels."""

    def define_pipelines(self) -> list[Any]:
        """One pipeline: bytecode, types, LLVM."""
        manager = PassManager("kernel")
        for one, description in _PASSES:
            manager.add_pass(one, description)
        manager.finalize()
        return [manager]
