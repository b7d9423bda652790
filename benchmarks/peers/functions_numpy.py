"""Single functions in NumPy, written by hand."""

from __future__ import annotations

from benchmarks.peers.protocol import serve  # isort: skip  (the clock of the import starts there)

from typing import Any

from benchmarks.functions import EXPECTED, Arrays, Case


class Functions:
    """The function and what it has returned."""

    def __init__(self, message: dict[str, Any], given: Arrays) -> None:
        self.case, self.given = Case(**message), given
        self.call = EXPECTED[self.case.function]
        self.values: Any = ()

    def order(self, seed: int, steps: int | None = None) -> int:
        return steps or self.case.calls

    def run(self, order: int) -> None:
        for _ in range(order):
            self.values = self.call(**self.given)

    def state(self) -> Arrays:
        return {f"value{place}": value for place, value in enumerate(self.values)}


if __name__ == "__main__":
    serve(Functions)
