from __future__ import annotations

import json
import random
from itertools import combinations, permutations

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlpipe.tasks import graph, graph_pieces
from rlpipe.tasks.problem import Problem
from tests.tasks.asked import prompt_of

EDGES = ["ab", "ac", "bc", "bd", "cd", "de"]  # a triangle, a second one on it, and a tail


def verdict_of(asked: str, response: str) -> tuple[str, str | None]:
    text = f"graph {asked} in " + " ; ".join(" ".join(e) for e in EDGES)
    problem = Problem(text, json.dumps({"asked": asked, "edges": EDGES}), "k", "easy")
    verdict = graph.verify(prompt_of(problem, "rlpipe/graph"), response)
    return verdict.status, verdict.canonical


@pytest.mark.parametrize(
    ("asked", "response", "status", "canonical"),
    [
        ("path a d within 3", "a b d", "ok", "a b d"),
        ("path a d within 3", "a c d", "ok", "a c d"),  # another best path
        ("path a d within 3", "a b c d", "ok", "a b c d"),
        ("path a d within 2", "a b c d", "wrong", None),
        ("path a d within 3", "a b", "wrong", None),  # a prefix
        ("path a d within 3", "b d", "wrong", None),
        ("path a d within 3", "a d", "wrong", None),  # no such edge
        ("path a d within 3", "a b a b d", "wrong", None),
        ("path a e within 4", "a b a d e", "wrong", None),
        ("neighbour a", "c", "ok", "c"),
        ("neighbour a", "d", "wrong", None),
        ("neighbour a", "a", "wrong", None),
        ("neighbour a", "b c", "wrong", None),
        ("common a d", "b", "ok", "b"),
        ("common a d", "a", "wrong", None),
        ("distance 2 a", "d", "ok", "d"),
        ("distance 2 a", "e", "wrong", None),
        ("triangle", "b a c", "ok", "a b c"),
        ("triangle", "a b d", "wrong", None),
        ("triangle", "a b b", "wrong", None),
        ("independent 2", "d a", "ok", "a d"),
        ("independent 2", "a e", "ok", "a e"),
        ("independent 2", "a b", "wrong", None),
        ("independent 2", "a", "wrong", None),
        ("independent 2", "a a", "wrong", None),
        ("cover 3", "b c d", "ok", "b c d"),
        ("cover 3", "a b c d e", "wrong", None),  # all nodes touch every edge, but are not the fewest
        ("cover 3", "a b e", "wrong", None),
        ("dominate 2", "a d", "ok", "a d"),
        ("dominate 2", "a b c d e", "wrong", None),
        ("dominate 2", "a b", "wrong", None),
        ("colour 3", "a red b blue c green d red e blue", "ok", "ad be c"),
        ("colour 3", "a blue b red c green d blue e red", "ok", "ad be c"),  # the same classes
        ("colour 3", "e blue d red c green b blue a red", "ok", "ad be c"),
        ("colour 3", "a red b red c green d red e blue", "wrong", None),
        ("colour 3", "a red b blue c green d red", "wrong", None),
        ("colour 3", "a red b blue c green d red e white", "no_answer", None),
        ("colour 3", "red a", "wrong", None),
        ("neighbour a", "", "no_answer", None),
        ("neighbour a", "z", "no_answer", None),
        ("neighbour a", "c .", "no_answer", None),
    ],
)
def test_golden_verdicts(asked: str, response: str, status: str, canonical: str | None) -> None:
    found = verdict_of(asked, response)
    # The battery looks at what wrong answers vote for.
    assert found == (status, canonical if status != "wrong" else found[1])


def answers(problem: Problem) -> set[str]:
    """Every right answer as a text, by brute force with networkx over all sequences of nodes (no colours)."""
    given_ = json.loads(problem.answer)
    g = nx.Graph([(e[0], e[1]) for e in given_["edges"]])
    question, *rest = given_["asked"].split()
    nodes = sorted(g)
    if question == "path":
        paths = nx.all_simple_paths(g, rest[0], rest[1], cutoff=int(rest[3]))
        return {" ".join(p) for p in paths}
    if question == "neighbour":
        return set(g[rest[0]])
    if question == "common":
        return set(nx.common_neighbors(g, *rest))
    if question == "distance":
        return set(nx.descendants_at_distance(g, rest[1], int(rest[0])))
    size = int(rest[0]) if rest else 3
    holds = {
        "triangle": lambda s: g.subgraph(s).size() == 3,
        "independent": lambda s: g.subgraph(s).size() == 0,
        "cover": lambda s: all(u in s or v in s for u, v in g.edges),
        "dominate": lambda s: nx.is_dominating_set(g, s),
    }[question]
    chosen = [s for s in combinations(nodes, size) if holds(s)]
    if question in ("cover", "dominate"):
        assert not any(holds(s) for s in combinations(nodes, size - 1))
    if question == "independent":
        assert not any(holds(s) for s in combinations(nodes, size + 1))
    return {" ".join(order) for s in chosen for order in permutations(s)}


SMALL = [f"{q}{n}" for q in graph.QUESTIONS if q != "colour" for n in (4, 5)] + ["g5", "path8", "distance8"]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(SMALL), st.data())
def test_responses_pay_only_where_brute_force_agrees(seed: int, level: str, data: st.DataObject) -> None:
    rng = random.Random(seed)
    problem = graph.generate(rng, level)
    if " colour " in problem.text:
        return
    right = answers(problem)
    response = graph.demonstrate(problem, rng).split()
    assert " ".join(response) in right
    change = data.draw(st.sampled_from(["replace", "drop", "add", "swap"]))
    place, node = data.draw(st.integers(0, len(response) - 1)), data.draw(st.sampled_from("abcdefgh"))
    if change == "replace":
        response[place] = node
    elif change == "drop":
        del response[place]
    elif change == "add":
        response.insert(place, node)
    else:
        response[0], response[place] = response[place], response[0]
    verdict = graph.verify(prompt_of(problem, ""), " ".join(response))
    assert verdict.correct == (" ".join(response) in right)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(["colour4", "colour5", "colour8"]), st.data())
def test_colourings_pay_only_where_no_edge_joins_equal_colours(seed: int, level: str, data: st.DataObject) -> None:
    rng = random.Random(seed)
    problem = graph.generate(rng, level)
    given_ = json.loads(problem.answer)
    count = int(given_["asked"].split()[1])
    response = graph.demonstrate(problem, rng).split()
    response[2 * data.draw(st.integers(0, len(response) // 2 - 1)) + 1] = data.draw(
        st.sampled_from(graph.COLOURS[:count])
    )
    colour = dict(zip(response[0::2], response[1::2], strict=True))
    proper = all(colour[e[0]] != colour[e[1]] for e in given_["edges"])
    assert graph.verify(prompt_of(problem, ""), " ".join(response)).correct == proper
    g = nx.Graph([(e[0], e[1]) for e in given_["edges"]])
    assert max(nx.greedy_color(g, "DSATUR").values()) + 1 >= count  # the fewest, so never more than a heuristic needs


@pytest.mark.parametrize("source", sorted(graph_pieces.SOURCES))
def test_balls_are_connected_pieces_of_the_real_graph(source: str) -> None:
    real = graph_pieces.SOURCES[source]()
    for seed in range(8):
        piece = nx.Graph(graph_pieces.ball(random.Random(seed), source, 6))
        assert sorted(piece) == list(range(6))
        assert nx.is_connected(piece)
        matcher = nx.algorithms.isomorphism.GraphMatcher(nx.Graph(real.edges), piece)
        assert matcher.subgraph_is_isomorphic()


def test_a_whole_graph_is_that_graph_and_a_larger_one_is_refused() -> None:
    whole = nx.Graph(graph_pieces.ball(random.Random(0), "florentine_families", 15))
    assert nx.is_isomorphic(whole, nx.florentine_families_graph())
    with pytest.raises(ValueError, match=r"15 nodes, 16 wanted"):
        graph_pieces.ball(random.Random(0), "florentine_families", 16)


def test_labels_carry_no_information() -> None:
    """Over many problems every letter is the right neighbour about equally often."""
    rng = random.Random(0)
    counts = dict.fromkeys("abcde", 0)
    for _ in range(1500):
        counts[graph.demonstrate(graph.generate(rng, "neighbour5"), rng)] += 1
    assert max(counts.values()) < 1.3 * min(counts.values())
