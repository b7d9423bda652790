"""What LLVM is given for a kernel."""

from typing import Any

from symbackprop.codegen.store import load


def llvm(function: Any) -> str:
    """The LLVM IR of a kernel that this process compiled, without its entry."""
    found = load(function._module, function.dtype)
    assert found.library is not None, "no IR: the kernel came from the cache"
    _, *parts = found.library.get_llvm_str().split("\ndefine ")
    own = [part.partition("\n}\n")[2] if f"@{found.path.stem}(" in part else part
           for part in parts]
    return "\n".join(own)  # with the attributes, which follow the last function
