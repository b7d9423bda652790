"""What LLVM is given for a kernel."""

from typing import Any

from symbackprop.codegen.objects import ENTRY
from symbackprop.codegen.store import load


def llvm(function: Any) -> str:
    """The LLVM IR of a kernel that this process compiled, without its entry."""
    library = load(function._module, function.dtype).library
    assert library is not None, "no IR: the kernel came from the cache"
    parts = library.get_llvm_str().split("\ndefine ")
    return "\n".join(part for part in parts[1:] if ENTRY not in part.split("{")[0])
