"""The numbers of a model: parameters by name as arrays, hypers by name as floats.

Both are dictionaries whose keys are fixed.  Arrays are writable in place; assignment copies into
the array that is there, after a check, so that references stay good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Generic, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from symbackprop.broadcasting import finite_number
from symbackprop.codegen.gate import check_array
from symbackprop.errors import Diverged, InputError
from symbackprop.laws import Carried
from symbackprop.notation import Tensor

__all__ = ["Hypers", "Parameters", "States"]


T = TypeVar("T")


class _Fixed(MutableMapping[str, T], Generic[T]):
    """A dictionary whose keys stay what they are."""

    kind = "entry"

    def __init__(self, tensors: Mapping[str, Tensor], values: Mapping[str, T]) -> None:
        self._tensors = dict(tensors)
        self._values = dict(values)

    def __getitem__(self, name: str) -> T:
        if name not in self._values:
            self._refuse(name)
        return self._values[name]

    def __delitem__(self, name: str) -> NoReturn:
        raise InputError(f"the {self.kind} {name!r} belongs to the model and cannot be deleted")

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)

    def _refuse(self, name: object) -> NoReturn:
        known = ", ".join(self._values) or "none"
        raise UnknownName(f"this model has no {self.kind} {name!r}; it has {known}")


class UnknownName(InputError, KeyError):
    """A name that a model does not have; also a KeyError, so that `in` and `get` work as usual."""

    __str__ = Exception.__str__


class Parameters(_Fixed[NDArray[Any]]):
    """name -> array, in order of declaration."""

    kind = "parameter"

    def __init__(self, tensors: Mapping[str, Tensor], dtype: str) -> None:
        shapes = {name: tuple(map(int, tensor.axes)) for name, tensor in tensors.items()}
        super().__init__(tensors, {name: np.zeros(s, dtype) for name, s in shapes.items()})

    def __setitem__(self, name: str, value: Any) -> None:
        self._values[self._known(name)][...] = self.checked(name, value)

    def checked(self, name: str, value: Any) -> NDArray[Any]:
        """The value as an array of this parameter's shape and dtype, finite; or an InputError."""
        tensor = self._tensors[self._known(name)]
        array: NDArray[Any] = check_array(tensor, value, name, self._values[name].dtype.name, {})
        return array

    def _known(self, name: str) -> str:
        if name not in self._values:
            self._refuse(name)
        return name

    def check(self) -> None:
        """Raises InputError where someone has written NaN or infinity into an array."""
        for name, array in self.items():
            self.checked(name, array)

    def are_finite(self) -> bool:
        """Whether no entry is NaN or infinite."""
        return all(np.isfinite(array).all() for array in self.values())

    def check_finite(self) -> None:
        """Raises Diverged where the last step has made NaN or infinity of a number."""
        for name, array in self.items():
            if not np.isfinite(array).all():
                raise Diverged(
                    f"training diverged: {name} is no longer finite after the last step; the "
                    "parameters are again what they were before fit; try a smaller rate")

    def check_trained(self) -> None:
        """The same, also where a step has broken a fact, e.g. that a parameter is positive."""
        self.check_finite()
        for name, array in self.items():
            try:
                self.checked(name, array)
            except InputError as error:
                raise Diverged(
                    f"training broke a fact: {error}; the parameters are again what they were "
                    "before fit; try a smaller rate, or train log(w) in place of w") from error

    def copy(self) -> dict[str, NDArray[Any]]:
        """Copies of all arrays."""
        return {name: array.copy() for name, array in self.items()}

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Put the numbers of a copy back into the arrays."""
        for name, array in saved.items():
            self._values[name][...] = array


class States(Parameters):
    """name -> array of what is carried from step to step, in order of declaration."""

    kind = "state"

    def __init__(self, tensors: Mapping[str, Tensor], dtype: str) -> None:
        super().__init__(tensors, dtype)
        self.begin()

    def begin(self) -> None:
        """Every state is again what it was declared to begin at."""
        for name, array in self.items():
            law = self._tensors[name].law
            array[...] = law.initial if isinstance(law, Carried) else 0


class Hypers(_Fixed[float | None]):
    """name -> float; one that was declared without a default is None until it is set.

    check(tensor, number) raises what is wrong with a number before it is set.
    """

    kind = "hyper"

    def __init__(self, tensors: Mapping[str, Tensor],
                 check: Callable[[Tensor, float], None]) -> None:
        super().__init__(tensors, {name: tensor.default for name, tensor in tensors.items()})
        self._check = check

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self._values:
            self._refuse(name)
        scalar = isinstance(value, np.ndarray) and value.ndim == 0
        number = finite_number(value.item() if scalar else value)
        if number is None:
            raise InputError(f"the hyper {name} must be a finite real number, found {value!r}")
        self._check(self._tensors[name], number)
        self._values[name] = number

    def numbers(self) -> dict[Tensor, float]:
        """tensor -> float, complete; raises InputError for a hyper that was never set."""
        found = {}
        for name, value in self.items():
            if value is None:
                raise InputError(f"the hyper {name} (declared at {self._tensors[name].where}) has "
                                 f"no value; write model.hypers[{name!r}] = 1e-3")
            found[self._tensors[name]] = value
        return found
