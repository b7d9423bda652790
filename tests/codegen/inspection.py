"""What LLVM is given for a kernel."""

from typing import Any

from symbackprop.codegen.store import load


def llvm(function: Any) -> str:
    """The LLVM IR of a kernel that this process compiled, without its wrapper for Python."""
    compiled = load(function._module, function.dtype).call
    (signature,) = compiled.signatures
    parts = compiled.inspect_llvm(signature).split("\ndefine ")
    kept = [part for part in parts[1:] if "7cpython" not in part.split("{")[0]]
    assert kept, "no IR: the kernel came from the cache"
    return "\n".join(kept)
