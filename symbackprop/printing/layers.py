"""A small layered layout for graphs that are read from left to right.

    columns    the longest path from an input; an input stands next to what reads it first
    lanes      an edge over several columns gets a lane in each of them
    order      sweeps that sort a column by the mean height of its neighbours; the best is kept
    heights    each box as near to its neighbours' mean as its column allows (least squares)

(Sugiyama, Tagawa & Toda, "Methods for visual understanding of hierarchical system structures",
1981; heights by the pool-adjacent-violators algorithm.)  Boxes of one column never overlap, and
edges run between columns only.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Layout", "laid_out"]

SWEEPS = 8
MARGIN = 14.0

Edge = tuple[int, int]
Node = int | tuple[int, int]  # a box, or (edge, column): the lane of an edge


@dataclass(frozen=True, slots=True)
class Layout:
    """The column of every box, the height of every box and lane, the lanes of every edge."""

    columns: tuple[int, ...]
    heights: dict[Node, float]
    lanes: tuple[tuple[Node, ...], ...]


def laid_out(extents: Sequence[tuple[float, float]], edges: Sequence[Edge]) -> Layout:
    """Places boxes; extents: how far each box reaches above and below its line.

    edges go from a box to one with a higher number, so the graph has no cycle.
    """
    columns = _columns(len(extents), edges)
    lanes = tuple(tuple((number, column) for column in range(columns[a] + 1, columns[b]))
                  for number, (a, b) in enumerate(edges))
    layers: list[list[Node]] = [[] for _ in range(max(columns, default=0) + 1)]
    for box, column in enumerate(columns):
        layers[column].append(box)
    for lane in (lane for edge in lanes for lane in edge):
        layers[lane[1]].append(lane)
    paths: list[tuple[Node, ...]] = [(a, *lanes[number], b)
                                     for number, (a, b) in enumerate(edges)]
    links = [link for path in paths for link in pairwise(path)]
    before, after = _neighbours(layers, links)
    ordered = _ordered(layers, before, after)
    heights = _heights(ordered, before, after, extents)
    return Layout(columns, heights, lanes)


def _columns(count: int, edges: Sequence[Edge]) -> tuple[int, ...]:
    columns = [0] * count
    read = {b for _, b in edges}
    for a, b in sorted(edges, key=lambda edge: edge[0]):
        columns[b] = max(columns[b], columns[a] + 1)
    first: dict[int, int] = {}
    for a, b in edges:
        first[a] = min(first.get(a, columns[b]), columns[b])
    return tuple(columns[box] if box in read else first.get(box, 1) - 1 for box in range(count))


def _neighbours(layers: Sequence[Sequence[Node]], links: Sequence[tuple[Node, Node]]
                ) -> tuple[dict[Node, list[Node]], dict[Node, list[Node]]]:
    before: dict[Node, list[Node]] = {node: [] for layer in layers for node in layer}
    after: dict[Node, list[Node]] = {node: [] for layer in layers for node in layer}
    for a, b in links:
        after[a].append(b)
        before[b].append(a)
    return before, after


def _ordered(layers: list[list[Node]], before: Mapping[Node, list[Node]],
             after: Mapping[Node, list[Node]]) -> list[list[Node]]:
    best = current = [list(layer) for layer in layers]
    fewest = _crossings(current, after)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        neighbours = before if forward else after
        current = [list(layer) for layer in current]
        order = range(1, len(current)) if forward else range(len(current) - 2, -1, -1)
        for number in order:
            rank = {node: at for at, node in enumerate(current[number - 1 if forward
                                                               else number + 1])}
            own = {node: at for at, node in enumerate(current[number])}
            current[number].sort(key=lambda node, rank=rank, own=own: (  # type: ignore[misc]
                _mean([rank[other] for other in neighbours[node]], own[node])))
        found = _crossings(current, after)
        if found < fewest:
            best, fewest = current, found
    return best


def _mean(numbers: Sequence[float], otherwise: float) -> float:
    return sum(numbers) / len(numbers) if numbers else otherwise


def _crossings(layers: Sequence[Sequence[Node]], after: Mapping[Node, list[Node]]) -> int:
    """How many pairs of links cross between neighbouring columns."""
    total = 0
    for left, right in pairwise(layers):
        rank = {node: at for at, node in enumerate(right)}
        seen: list[int] = []
        for node in left:
            targets = sorted(rank[other] for other in after[node])
            total += sum(len(seen) - bisect_left(seen, target + 1) for target in targets)
            for target in targets:
                insort(seen, target)
    return total


def _heights(layers: Sequence[Sequence[Node]], before: Mapping[Node, list[Node]],
             after: Mapping[Node, list[Node]], extents: Sequence[tuple[float, float]]
             ) -> dict[Node, float]:
    reach = {node: extents[node] if isinstance(node, int) else (4.0, 4.0)
             for layer in layers for node in layer}
    heights: dict[Node, float] = {}
    for layer in layers:
        heights.update(_stacked(layer, [0.0] * len(layer), reach))
    for sweep in range(2 * SWEEPS):
        forward = sweep % 2 == 0
        for layer in layers if forward else reversed(layers):
            near = [[*before[node], *(() if forward else after[node])] or after[node]
                    for node in layer]
            wished = [_mean([heights[other] for other in others], heights[node])
                      for node, others in zip(layer, near, strict=True)]
            heights.update(_stacked(layer, wished, reach))
    top = min((heights[node] - reach[node][0] for node in heights), default=0.0)
    return {node: height - top for node, height in heights.items()}


def _stacked(layer: Sequence[Node], wished: Sequence[float],
             reach: Mapping[Node, tuple[float, float]]) -> dict[Node, float]:
    """The heights nearest to the wished ones that keep the order and leave room for all."""
    offsets = [0.0]
    for upper, lower in pairwise(layer):
        offsets.append(offsets[-1] + reach[upper][1] + MARGIN + reach[lower][0])
    pools: list[tuple[float, int]] = []  # (mean, how many), with rising means
    for wish, offset in zip(wished, offsets, strict=False):
        mean, count = wish - offset, 1
        while pools and pools[-1][0] >= mean:
            other, number = pools.pop()
            mean, count = (mean * count + other * number) / (count + number), count + number
        pools.append((mean, count))
    free = [mean for mean, count in pools for _ in range(count)]
    return {node: free[at] + offsets[at] for at, node in enumerate(layer)}
