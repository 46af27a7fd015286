"""Connected pieces of real graphs, and what it means to answer a question about one.

Graphs: Zachary's karate club, Les Misérables, the Florentine families and the Davis southern women, as networkx has
them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import combinations

import networkx as nx

Edges = Sequence[tuple[str, str]]
SOURCES: Mapping[str, Callable[[], nx.Graph]] = {
    "karate_club": nx.karate_club_graph,
    "les_miserables": nx.les_miserables_graph,
    "florentine_families": nx.florentine_families_graph,
    "davis_southern_women": nx.davis_southern_women_graph,
}


@cache
def _neighbours(source: str) -> tuple[tuple[int, ...], ...]:
    """Neighbours of each node of a shipped graph, the nodes numbered in the order of their names."""
    graph = SOURCES[source]()
    number = {node: i for i, node in enumerate(sorted(graph, key=str))}
    return tuple(tuple(sorted(number[v] for v in graph[u])) for u in number)


def ball(rng: random.Random, source: str, size: int) -> list[tuple[int, int]]:
    """Edges of the sub-graph on the first `size` nodes that a breadth-first search from a random node reaches.

    Nodes are renumbered 0 .. size - 1 at random, so that no answer can be remembered; neighbours are met in random
    order.
    Raises: ValueError where the graph has fewer nodes.
    """
    neighbours = _neighbours(source)
    if size > len(neighbours):
        raise ValueError(f"graph {source} has {len(neighbours)} nodes, {size} wanted: choose a smaller level")
    reached = [rng.randrange(len(neighbours))]
    seen = set(reached)
    for node in reached:
        fresh = [v for v in neighbours[node] if v not in seen]
        rng.shuffle(fresh)
        reached += fresh
        seen.update(fresh)
        if len(reached) >= size:
            break
    kept = reached[:size]
    rng.shuffle(kept)
    label = {node: i for i, node in enumerate(kept)}
    pairs = ((label[u], label[v]) for u in kept for v in neighbours[u] if v in label)
    return sorted((u, v) for u, v in pairs if u < v)


def adjacency(nodes: Sequence[str], edges: Edges) -> dict[str, set[str]]:
    near: dict[str, set[str]] = {node: set() for node in nodes}
    for u, v in edges:
        near[u].add(v)
        near[v].add(u)
    return near


def simple_paths(near: Mapping[str, set[str]], start: str, end: str, limit: int) -> list[list[str]]:
    """Every path without repeated nodes of at most `limit` edges, in alphabetical order."""
    found, open_paths = [], [[start]]
    for _ in range(limit):
        grown = [[*p, v] for p in open_paths for v in sorted(near[p[-1]]) if v not in p]
        found += [p for p in grown if p[-1] == end]
        open_paths = [p for p in grown if p[-1] != end]
    return sorted(found)


def distances(near: Mapping[str, set[str]], start: str) -> dict[str, int]:
    """Edges on a shortest path from `start` to each node that can be reached."""
    found, queue = {start: 0}, [start]
    for node in queue:
        for v in near[node]:
            if v not in found:
                found[v] = found[node] + 1
                queue.append(v)
    return found


def is_independent(near: Mapping[str, set[str]], chosen: Sequence[str]) -> bool:
    return not any(v in near[u] for u, v in combinations(chosen, 2))


def is_clique(near: Mapping[str, set[str]], chosen: Sequence[str]) -> bool:
    return all(v in near[u] for u, v in combinations(chosen, 2))


def is_cover(near: Mapping[str, set[str]], chosen: Sequence[str]) -> bool:
    """True where every edge has an end among the chosen: the rest are pairwise apart."""
    return is_independent(near, [node for node in near if node not in chosen])


def is_dominating(near: Mapping[str, set[str]], chosen: Sequence[str]) -> bool:
    """True where every node is chosen or next to a chosen one."""
    return all(node in chosen or near[node] & set(chosen) for node in near)


def first_set(near: Mapping[str, set[str]], holds: Callable[..., bool], nodes: Sequence[str], size: int) -> list[str]:
    """The first `size` nodes, in the order of `nodes`, for which `holds`; empty where there are none."""
    return next((list(c) for c in combinations(nodes, size) if holds(near, c)), [])


def colouring(near: Mapping[str, set[str]], nodes: Sequence[str], colours: Sequence[str]) -> dict[str, str]:
    """A proper colouring found by backtracking in the order of `nodes`; empty where there is none."""
    chosen: dict[str, str] = {}

    def extend(i: int) -> bool:
        if i == len(nodes):
            return True
        for colour in colours:
            if all(chosen.get(v) != colour for v in near[nodes[i]]):
                chosen[nodes[i]] = colour
                if extend(i + 1):
                    return True
                del chosen[nodes[i]]
        return False

    return chosen if extend(0) else {}
