"""What LLVM is given for a kernel."""

from typing import Any

from symbackprop.codegen.store import load


def llvm(function: Any) -> str:
    """The LLVM IR of a kernel that this process compiled, without its entry."""
    found = load(function._module, function.dtype)
    assert found.library is not None, "no IR: the kernel came from the cache"
    parts = found.library.get_llvm_str().split("\ndefine ")
    return "\n".join(part for part in parts[1:] if f"@{found.path.stem}(" not in part)
