"""built(path, name, kinds): the object file of a generated module's function, by Numba.

Numba compiles the function for its own calling convention, of which only Numba knows the details:
so the entry (`objects`) is written with Numba's means, into the same library.  It loads each
argument from a block of words (`passing`) and makes arrays of addresses and lengths.

Kernels allocate nothing, so they are compiled without Numba's counting of references: the object
then needs nothing of Numba's run-time library.  This module is imported where there is something
to compile, and Numba with it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from itertools import count
from pathlib import Path
from types import CodeType
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.compiler import Flags, compile_extra
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from symbackprop.codegen.memory import array_at
from symbackprop.codegen.objects import Object
from symbackprop.codegen.passing import Kind
from symbackprop.codegen.pipeline import Straight
from symbackprop.errors import CompilationError

_TYPES = {np.dtype(name): kind for name, kind in (
    ("int64", types.int64), ("float32", types.float32), ("float64", types.float64))}
_WORD, _REAL = ir.IntType(64), ir.DoubleType()


def built(path: Path, name: str, kinds: tuple[Kind, ...]) -> tuple[Object, Any]:
    """The object of the function in a module, and Numba's library, which shows what is in it.

    Raises CompilationError where Numba is switched off, or hands out no object code.
    """
    if numba.config.DISABLE_JIT:
        raise CompilationError("Numba is switched off by NUMBA_DISABLE_JIT, and kernels need it; "
                               "unset that, or use sb.evaluate, which needs no Numba")
    function = _function(path, name)
    flags = Flags()
    cpu_target.options.parse_as_flags(flags, function.targetoptions)
    flags.nrt, flags.no_compile = False, True
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    signature = tuple(map(_type, kinds))
    context = cpu_target.target_context
    made = compile_extra(cpu_target.typing_context, context, function.py_func, signature, None,
                         flags, {}, pipeline_class=Straight)
    with global_compiler_lock:
        made.library.add_ir_module(_entry(path.stem, made.library, context, made.fndesc, kinds))
        made.library.finalize()
    data = _object_code(made.library)
    return Object(data, path.stem, tuple(sorted(_needs(data, made.library)))), made.library


def _object_code(library: Any) -> bytes:
    """The object code of a library that has been compiled; Numba has no public name for it."""
    if not hasattr(library, "_get_compiled_object"):
        raise CompilationError(f"Numba {numba.__version__} does not hand out the object code of a "
                               "kernel as version 0.68 does; install one that does, or use "
                               "sb.evaluate, which needs no Numba")
    found: bytes = library._get_compiled_object()
    return found


def _function(path: Path, name: str) -> Any:
    """The function of a module, as Numba's decorator leaves it."""
    loader = _Text(path.stem, str(path))
    module = module_from_spec(ModuleSpec(path.stem, loader, origin=str(path)))
    loader.exec_module(module)
    return getattr(module, name)


class _Text(SourceFileLoader):
    """Reads the text of a module, and no bytecode that may lie beside it."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _type(kind: Kind) -> Any:
    number = _TYPES[kind.dtype]
    return number if kind.rank is None else types.Array(number, kind.rank, "C")


def _entry(name: str, library: Any, context: Any, described: Any, kinds: tuple[Kind, ...]) -> Any:
    """int entry(int64 *words, double *result): 0 and the result, or what Numba calls the error."""
    module = library.create_ir_module(name)
    entry = ir.Function(module, ir.FunctionType(
        ir.IntType(32), [_WORD.as_pointer(), _REAL.as_pointer()]), name)
    block, place = entry.args
    builder = ir.IRBuilder(entry.append_basic_block("entry"))
    words = (builder.load(builder.gep(block, [_WORD(i)])) for i in count())
    passed = [_argument(context, builder, kind, words) for kind in kinds]
    native = ir.Function(module, context.call_conv.get_function_type(
        described.restype, described.argtypes), described.llvm_func_name)
    status, result = context.call_conv.call_function(
        builder, native, described.restype, described.argtypes, passed, attrs=("noinline",))
    if described.restype == types.float64:
        builder.store(result, place)
    builder.ret(builder.select(status.is_ok, ir.IntType(32)(0), status.code))
    return module


def _argument(context: Any, builder: Any, kind: Kind, words: Iterator[Any]) -> Any:
    """The next argument, of the next words."""
    word, made = next(words), _type(kind)
    if kind.rank is not None:
        pointer = context.get_data_type(made.dtype).as_pointer()
        lengths = [next(words) for _ in range(kind.rank)]
        return array_at(context, builder, made, builder.inttoptr(word, pointer), lengths)
    if kind.dtype.kind == "i":
        return word
    number = builder.bitcast(word, _REAL)
    return number if kind.dtype.itemsize == 8 else builder.fptrunc(number, ir.FloatType())


def _needs(data: bytes, library: Any) -> Iterator[str]:
    """The symbols that an object leaves to others; too many where it has another form than ELF."""
    if data[:5] != b"\x7fELF\x02":
        yield from (f.name for f in llvm.parse_assembly(library.get_llvm_str()).functions
                    if f.is_declaration and not f.name.startswith("llvm."))
        return
    parts = {part.name(): part.data() for part in llvm.ObjectFileRef.from_data(data).sections()}
    order = "<" if data[5] == 1 else ">"
    for name, _, _, section, _, _ in struct.iter_unpack(f"{order}IBBHQQ", parts[b".symtab"]):
        if name and not section:  # it has a name, and lies nowhere in the object
            names = parts[b".strtab"]
            yield names[name:names.index(b"\0", name)].decode()
