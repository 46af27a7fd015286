"""Questions with many right answers about pieces of real graph_pieces.

The prompt is `graph`, the question, `in` and the edges: `graph path a d within 3 in a b ; a c ; b d ; c d`, to which
`a b d` and `a c d` are right. Nodes are letters handed out at random, so that no answer can be remembered; edges are in
alphabetical order. Every graph is connected, so every node is in the edge list.

| question | right answer |
|---|---|
| `neighbour a` | a node next to a |
| `common a b` | a node next to both |
| `distance 2 a` | a node exactly 2 edges from a |
| `path a d within 3` | a path from a to d, no node twice, of at most 3 edges |
| `triangle` | three nodes next to each other |
| `independent 3` | 3 nodes, no two next to each other; 3 is the most there can be |
| `cover 2` | 2 nodes that touch every edge; 2 is the fewest that can |
| `dominate 2` | 2 nodes such that every other is next to one; 2 is the fewest that can |
| `colour 3` | `a red b blue ...`: every node a colour, ends of edges differently; 3 is the fewest there can be |
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

from rlpipe.tasks import graph_pieces
from rlpipe.tasks.arithmetic import STEP
from rlpipe.tasks.problem import Problem
from rlpipe.types import Prompt, Verdict

VERSION = "2"
NODES = "abcdefghijklmno"
COLOURS = ("red", "green", "blue", "white")
POINTS, PATHS, SETS = ("neighbour", "common", "distance"), ("path", "triangle"), ("independent", "cover", "dominate")
QUESTIONS = (*POINTS, *PATHS, *SETS, "colour")
SET_RULES: Mapping[str, Callable[..., bool]] = {
    "independent": graph_pieces.is_independent,
    "cover": graph_pieces.is_cover,
    "dominate": graph_pieces.is_dominating,
    "triangle": graph_pieces.is_clique,
}
Near = Mapping[str, set[str]]


@dataclass(frozen=True)
class Level:
    """Graphs of `nodes` nodes from `sources`; one of `questions`, drawn uniformly, until the graph allows one."""

    nodes: int
    questions: tuple[str, ...] = QUESTIONS
    sources: tuple[str, ...] = tuple(graph_pieces.SOURCES)


LEVELS: dict[str, Level] = {
    "neighbour4": Level(4, ("neighbour",)),
    "neighbour5": Level(5, ("neighbour",)),
    "neighbour8": Level(8, ("neighbour",)),
    "common4": Level(4, ("common",)),
    "common5": Level(5, ("common",)),
    "common8": Level(8, ("common",)),
    "distance4": Level(4, ("distance",)),
    "distance5": Level(5, ("distance",)),
    "distance8": Level(8, ("distance",)),
    "path4": Level(4, ("path",)),
    "path5": Level(5, ("path",)),
    "path8": Level(8, ("path",)),
    "triangle4": Level(4, ("triangle",)),
    "triangle5": Level(5, ("triangle",)),
    "triangle8": Level(8, ("triangle",)),
    "independent4": Level(4, ("independent",)),
    "independent5": Level(5, ("independent",)),
    "independent8": Level(8, ("independent",)),
    "cover4": Level(4, ("cover",)),
    "cover5": Level(5, ("cover",)),
    "cover8": Level(8, ("cover",)),
    "dominate4": Level(4, ("dominate",)),
    "dominate5": Level(5, ("dominate",)),
    "dominate8": Level(8, ("dominate",)),
    "colour4": Level(4, ("colour",)),
    "colour5": Level(5, ("colour",)),
    "colour8": Level(8, ("colour",)),
    "g4": Level(4),
    "g5": Level(5),
    "g6": Level(6),
    "g8": Level(8),
    "florentine": Level(15, (*POINTS, *PATHS), ("florentine_families",)),
    "easy": Level(5, (*POINTS, "path")),
    "hard": Level(8),
}


def generate(rng: random.Random, level: str) -> Problem:
    """A graph, relabelled at random, and a question that has an answer (drawn again until there is one)."""
    at = LEVELS[level]
    nodes = NODES[: at.nodes]
    while True:
        edges = [(nodes[u], nodes[v]) for u, v in graph_pieces.ball(rng, rng.choice(at.sources), at.nodes)]
        asked = _ask(rng, rng.choice(at.questions), graph_pieces.adjacency(nodes, edges))
        if asked:
            break
    text = f"graph {asked} in " + f" {STEP} ".join(f"{u} {v}" for u, v in edges)
    answer = json.dumps({"asked": asked, "edges": ["".join(e) for e in edges]}, separators=(",", ":"))
    return Problem(text, answer, f"graph {text}", level)


def _ask(rng: random.Random, question: str, near: Near) -> str | None:
    """The question in words, or None where this graph has no answer to it, or only trivial ones."""
    nodes = sorted(near)
    a, b = rng.sample(nodes, 2)
    if question == "neighbour":
        return f"neighbour {a}"
    if question == "common":
        return f"common {a} {b}" if near[a] & near[b] else None
    if question == "distance":
        away = [d for d in graph_pieces.distances(near, a).values() if d >= 2]
        return f"distance {rng.choice(away)} {a}" if away else None
    if question == "path":
        apart = graph_pieces.distances(near, a)[b]
        return f"path {a} {b} within {apart + 1}" if apart >= 2 else None
    if question == "triangle":
        return question if graph_pieces.first_set(near, graph_pieces.is_clique, nodes, 3) else None
    if question == "colour":
        return f"colour {_fewest_colours(near, nodes)}" if _fewest_colours(near, nodes) <= len(COLOURS) else None
    return f"{question} {_best_size(question, near, nodes)}"


def _best_size(question: str, near: Near, nodes: Sequence[str]) -> int:
    """Most nodes of an independent set; fewest of a cover or a dominating set."""
    if question != "independent":
        return next(k for k in range(1, len(nodes)) if graph_pieces.first_set(near, SET_RULES[question], nodes, k))
    return len(nodes) - _best_size("cover", near, nodes)


def _fewest_colours(near: Near, nodes: Sequence[str]) -> int:
    palette = range(2, len(COLOURS) + 1)
    return next((k for k in palette if graph_pieces.colouring(near, nodes, COLOURS[:k])), len(COLOURS) + 1)


def demonstrate(problem: Problem, rng: random.Random) -> str:
    """A right answer: uniform over nodes and paths; for sets and colours the first found in a random order of nodes."""
    near, asked = _read(problem.answer)
    question, *rest = asked
    if question in POINTS:
        return rng.choice(_points(near, question, rest))
    if question == "path":
        return " ".join(rng.choice(graph_pieces.simple_paths(near, rest[0], rest[1], int(rest[3]))))
    nodes = sorted(near)
    rng.shuffle(nodes)
    if question == "colour":
        palette = list(COLOURS[: int(rest[0])])
        rng.shuffle(palette)
        chosen = graph_pieces.colouring(near, nodes, palette)
        return " ".join(f"{node} {chosen[node]}" for node in sorted(chosen))
    return " ".join(graph_pieces.first_set(near, SET_RULES[question], nodes, int(rest[0]) if rest else 3))


def _points(near: Near, question: str, rest: list[str]) -> list[str]:
    """All right answers to a question that asks for one node, in alphabetical order."""
    if question == "neighbour":
        return sorted(near[rest[0]])
    if question == "common":
        return sorted(near[rest[0]] & near[rest[1]])
    return sorted(v for v, d in graph_pieces.distances(near, rest[1]).items() if d == int(rest[0]))


def _read(answer: str) -> tuple[dict[str, set[str]], list[str]]:
    given = json.loads(answer)
    edges = [(e[0], e[1]) for e in given["edges"]]
    return graph_pieces.adjacency(sorted({node for e in edges for node in e}), edges), given["asked"].split()


def verify(prompt: Prompt, response: str) -> Verdict:
    """Check the answer on the graph with networkx; every right answer pays, not the demonstrated one alone.

    A response with a word that is no node of the graph (and no colour, where colours are asked) is `no_answer`.
    `canonical` is the path or node; sets in alphabetical order; a colouring as its classes, whatever the colours.
    Differs: the reward released with G1 (arXiv 2505.18499) pays prefixes of a path, edges that are not there and sets
    that are not minimal, and refuses a second best path; none of that holds here.
    """
    given = json.loads(prompt.answer)
    graph = nx.Graph([(e[0], e[1]) for e in given["edges"]])
    question, *rest = given["asked"].split()
    items = response.split()
    known = set(graph) | (set(COLOURS[: int(rest[0])]) if question == "colour" else set())
    if not items or not set(items) <= known:
        return Verdict(0.0, "no_answer", verifier="graph", version=VERSION)
    right, extracted = _judge(graph, question, rest, items), " ".join(items)
    if right is None:
        ordered = extracted if question in ("path", "colour") else " ".join(sorted(items))
        return Verdict(0.0, "wrong", extracted, ordered, "graph", VERSION)
    return Verdict(1.0, "ok", extracted, right, "graph", VERSION)


def _judge(graph: nx.Graph, question: str, rest: list[str], items: list[str]) -> str | None:
    """Canonical form of a right answer, None for a wrong one."""
    if question == "colour":
        return _judge_colours(graph, items)
    if len(set(items)) != len(items):
        return None
    if question == "path":
        start, end, _, limit = rest
        right = [items[0], items[-1]] == [start, end] and nx.is_path(graph, items) and len(items) - 1 <= int(limit)
        return " ".join(items) if right else None
    if question in POINTS:
        return items[0] if len(items) == 1 and _is_point(graph, question, rest, items[0]) else None
    right = len(items) == (int(rest[0]) if rest else 3) and _is_set(graph, question, items)
    return " ".join(sorted(items)) if right else None


def _is_point(graph: nx.Graph, question: str, rest: list[str], node: str) -> bool:
    if question == "distance":
        return bool(nx.shortest_path_length(graph, rest[1], node) == int(rest[0]))
    return all(graph.has_edge(asked, node) for asked in rest)


def _is_set(graph: nx.Graph, question: str, items: list[str]) -> bool:
    inside = graph.subgraph(items)
    if question == "independent":
        return bool(inside.number_of_edges() == 0)
    if question == "triangle":
        return bool(inside.number_of_edges() == 3)
    if question == "cover":
        return all(u in items or v in items for u, v in graph.edges)
    return bool(nx.is_dominating_set(graph, set(items)))


def _judge_colours(graph: nx.Graph, items: list[str]) -> str | None:
    nodes, colours = items[0::2], items[1::2]
    if len(nodes) != len(colours) or sorted(nodes) != sorted(graph) or not set(colours) <= set(COLOURS):
        return None
    colour = dict(zip(nodes, colours, strict=True))
    if any(colour[u] == colour[v] for u, v in graph.edges):
        return None
    classes = sorted("".join(sorted(n for n in nodes if colour[n] == c)) for c in set(colours))
    return " ".join(classes)


def words() -> list[str]:
    numbers = [str(n) for n in range(1, max(at.nodes for at in LEVELS.values()))]
    return ["graph", "in", "within", STEP, *QUESTIONS, *NODES, *COLOURS, *numbers]
