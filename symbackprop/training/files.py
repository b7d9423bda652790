"""save and load: numbers in safetensors, the program beside them in a closed grammar.

    Model      ::= {format, version, dtype, hypers, table, tensors, definitions, inference,
                    inputs, targets, outputs, constraints, loss}          JSON, in the metadata
    Tensor     ::= {name, hint, numbered, role, axes, letters, facts, default, trainable, beside,
                    law}
    Law        ::= ["carried", Initial, following] | [kind of distribution, parameter ...]
                 | ["asks", [expression of hypers, range] ...] | null
    Initial    ::= number | [Initial ...]
    Definition ::= [target, [index ...], body, [index ...] over, op]

`inference` holds the tensors of loss and outputs outside of training.

Tensors are numbers of entries in `tensors`, expressions numbers of nodes in `table`, whose grammar
is in `expressions.py`.  Reading checks every word against a table and evaluates no text: a file
can hold nonsense, but not code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as packed
from sympy import Expr, Idx

from symbackprop.arrays import Array
from symbackprop.declare import size
from symbackprop.errors import InputError, SymbackpropError
from symbackprop.laws import KINDS, RANGES, Asks, Carried, Distribution, Law
from symbackprop.notation import Definition, Fact, Op, Role, Tensor, tensors_in
from symbackprop.randomness import initial_of
from symbackprop.training.expressions import Reader, Writer
from symbackprop.training.network import Network, described

__all__ = ["NotWrittenError", "Saved", "load", "save"]

FORMAT = "symbackprop-model"
VERSION = 1
FACTS = ("one_hot", "simplex", "label", "positive", "symmetric")


@dataclass(frozen=True, slots=True)
class Saved:
    """What a file holds: a network, and numbers by name."""

    network: Network
    dtype: str
    arrays: dict[str, NDArray[Any]]
    hypers: dict[str, float]


class NotWrittenError(InputError, OSError):
    """A path that no file can be written to; an OSError too, as one expects of files."""


def save(path: str | PathLike[str], network: Network, dtype: str,
         numbers: Mapping[str, NDArray[Any]], hypers: Mapping[str, float | None]) -> None:
    """Write the file in one go: whoever reads it meets the old one or the new one.

    Raises InputError, which is then an OSError too, where the file cannot be written.
    """
    target = _path(path)
    record = {**_record(network), "dtype": dtype,
              "hypers": {name: value for name, value in hypers.items() if value is not None}}
    arrays = {name: np.require(array, requirements="C") for name, array in numbers.items()}
    content = packed(arrays, metadata={"format": FORMAT, "version": str(VERSION),
                                       "model": json.dumps(record, ensure_ascii=False)})
    part = target.with_name(f"{target.name}.part")
    try:
        part.write_bytes(content)
        os.replace(part, target)
    except OSError as problem:
        part.unlink(missing_ok=True)
        missing = "" if target.parent.is_dir() else f"; make the folder {target.parent} first"
        raise NotWrittenError(f"{path} cannot be written: {problem.strerror}{missing}"
                              ) from problem


def _path(given: Any) -> Path:
    if not isinstance(given, (str, PathLike)):
        raise InputError(f"a path is text or a Path, such as 'model.safetensors', not {given!r}")
    return Path(given)


def load(path: str | PathLike[str]) -> Saved:
    """The saved network and numbers; raises InputError for anything but a file written by save."""
    try:
        with safe_open(_path(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as problem:
        raise InputError(f"{path} cannot be read as a saved model: {problem}") from problem
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path} is no model saved by symbackprop; Model.load reads what "
                         "model.save has written")
    if metadata.get("version") != str(VERSION):
        raise InputError(f"{path} has version {metadata.get('version')} of the file format; "
                         f"this library reads version {VERSION}")
    try:
        record = json.loads(metadata["model"])
        network = _network(record, f"{Path(path).name}")
        return Saved(network, str(record["dtype"]), _matching(network, arrays),
                     dict(record["hypers"]))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError,
            SymbackpropError) as problem:
        raise InputError(f"{path} is damaged: {problem}") from problem


def _matching(network: Network, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    names = [network.names[t] for t in (*network.parameters, *network.states)]
    if set(arrays) != set(names):
        raise InputError(f"it holds numbers for {', '.join(sorted(arrays))}, "
                         f"but the program has {', '.join(names)}")
    return {name: arrays[name] for name in names}


def _record(network: Network) -> dict[str, Any]:
    definitions = dict.fromkeys((*network.whole, *network.inference))
    tensors = sorted({*network.given, *(d.target for d in definitions)}, key=lambda t: t.serial)
    numbers = {tensor: number for number, tensor in enumerate(tensors)}
    writer = Writer(numbers)

    def written(exprs: tuple[Expr, ...]) -> list[int]:
        return [writer.write(expr) for expr in exprs]

    def facts(tensor: Tensor) -> list[list[Any]]:
        return [[f.kind, list(f.axes), None if f.extent is None else writer.write(f.extent)]
                for f in tensor.facts]

    def law(tensor: Tensor) -> list[Any] | None:
        match tensor.law:
            case Carried(initial, following):
                return ["carried", initial, numbers[following]]
            case Distribution(kind, parameters):
                return [kind, *written(parameters)]
            case Asks(conditions):
                return ["asks", *([writer.write(part), kind] for part, kind in conditions
                                  if numbers.keys() >= set(tensors_in(part)))]
        return None

    return {
        "tensors": [{"name": t.name, "hint": t.hint, "numbered": t.numbered, "role": t.role,
                     "axes": written(t.axes), "letters": written(t.letters), "facts": facts(t),
                     "default": t.default, "trainable": t.trainable,
                     "beside": None if t.beside is None else numbers.get(t.beside),
                     "law": law(t)}
                    for t in tensors],
        "definitions": [[numbers[d.target], written(d.indices), writer.write(d.body),
                         written(d.over), d.op] for d in definitions],
        "inference": [numbers[t] for t in (network.measured, *network.predicted)],
        **{what: [numbers[t] for t in getattr(network, what)]
           for what in ("inputs", "targets", "outputs", "constraints")},
        "loss": numbers[network.loss],
        "table": writer.table,
    }


def _network(record: dict[str, Any], where: str) -> Network:
    reader = Reader(record["table"])
    for entry in record["tensors"]:
        reader.tensors.append(_tensor(entry, reader, where))
    for target, indices, body, over, op in record["definitions"]:
        tensor = reader.tensor(target)
        if tensor.role != "intermediate" or op not in get_args(Op):
            raise InputError(f"{tensor.name} cannot be defined by {op!r}")
        tensor.definition = Definition(tensor, _indices(reader, indices), reader.read(body),
                                       _indices(reader, over), op, where)
    for tensor, entry in zip(reader.tensors, record["tensors"], strict=True):
        tensor.law = _law(tensor, entry.get("law"), reader)
    inputs, targets, outputs, constraints = (
        tuple(reader.tensor(t) for t in record.get(what, ()))
        for what in ("inputs", "targets", "outputs", "constraints"))
    loss = reader.tensor(record["loss"])
    same = [record["loss"], *record["outputs"]]
    meant = [reader.tensor(t) for t in record.get("inference", same)]
    if [t.axes for t in meant] != [t.axes for t in (loss, *outputs)]:
        raise InputError("loss and outputs at inference have other shapes than in training")
    return described(inputs, targets, outputs, loss, constraints, tuple(meant))


def _law(tensor: Tensor, written: Any, reader: Reader) -> Law | None:
    if written is None:
        return None
    kind, *rest = written
    if kind == "carried" and tensor.role == "state":
        following = reader.tensor(rest[1])
        if following.axes == tensor.axes:
            return Carried(initial_of(tensor, rest[0]), following)
    if kind == "asks" and tensor.role in ("hyper", "intermediate"):
        conditions = tuple((_of_hypers(reader, number), known) for number, known in rest)
        if all(known in RANGES for _, known in conditions):
            return Asks(conditions)
    if kind in KINDS and tensor.role == "noise" and len(rest) == KINDS[kind].count:
        return Distribution(kind, tuple(_of_hypers(reader, number) for number in rest))
    raise InputError(f"{kind!r} is no law of a {tensor.role}")


def _of_hypers(reader: Reader, number: Any) -> Expr:
    expr: Expr = reader.read(number)
    if any(tensor.role != "hyper" for tensor in tensors_in(expr)):
        raise InputError(f"{expr} reads more than hypers")
    return expr


def _tensor(entry: dict[str, Any], reader: Reader, where: str) -> Tensor:
    name, role, default = entry["name"], entry["role"], entry["default"]
    if role not in get_args(Role):
        raise InputError(f"{role!r} is no role of a tensor")
    if default is not None and not isinstance(default, float):
        raise InputError(f"{default!r} is no default of a hyper")
    beside = entry.get("beside")
    facts = tuple(Fact(_fact(kind), tuple(map(int, axes)), None if extent is None
                       else reader.read(extent)) for kind, axes, extent in entry["facts"])
    return Array(None if name is None else size(name).name,
                 tuple(reader.read(axis) for axis in entry["axes"]),
                 _indices(reader, entry["letters"]), role, facts, size(entry["hint"]).name,
                 numbered=bool(entry["numbered"]), where=where, default=default,
                 trainable=bool(entry["trainable"]),
                 beside=None if beside is None else reader.tensor(beside))


def _indices(reader: Reader, numbers: list[int]) -> tuple[Idx, ...]:
    found = tuple(reader.read(number) for number in numbers)
    for index in found:
        if not isinstance(index, Idx):
            raise InputError(f"{index} is no index")
    return found


def _fact(kind: str) -> str:
    if kind not in FACTS:
        raise InputError(f"{kind!r} is no fact")
    return kind
