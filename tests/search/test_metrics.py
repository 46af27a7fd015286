"""Curves of accuracy over tokens: between sizes, and over searches."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from rlpipe.engine.batched import Remembering, together
from rlpipe.search import strategies as searches
from rlpipe.search.metrics import Curve, curves, sample_tokens
from tests.search.scripted import PROMPT, Scripted, decode, score
from tests.search.scripted import verify as check
from tests.search.test_search_stage import near


def curve(sizes: tuple[int, ...], tokens: list[float], selected: list[list[float]]) -> Curve:
    return Curve("m", sizes, np.array(tokens), {"selected": np.array(selected)}, [{}] * len(sizes))


def test_between_sizes_a_prompt_is_interpolated_by_tokens() -> None:
    c = curve((1, 4), [10.0, 50.0], [[0.0, 1.0], [1.0, 1.0]])
    point = c.at(20.0)
    assert point is not None
    assert c.read(point, "selected").tolist() == near([0.25, 1.0])
    assert c.at(9.0) is None
    beyond = c.at(80.0)
    assert beyond is not None
    assert beyond.spent == 50.0
    assert c.read(beyond, "selected").tolist() == near([1.0, 1.0])
    exact = c.at(10.0)
    assert exact is not None
    assert c.read(exact, "selected").tolist() == near([0.0, 1.0])


def test_one_size_and_sizes_of_one_cost_can_be_read() -> None:
    alone = curve((4,), [10.0], [[0.5]])
    assert alone.read(alone.at(20.0), "selected").tolist() == near([0.5])  # type: ignore[arg-type]
    equal = curve((1, 2), [10.0, 10.0], [[0.0], [1.0]])
    assert equal.read(equal.at(10.0), "selected").tolist() == near([1.0])  # type: ignore[arg-type]


def test_curves_are_means_over_searches_run_one_by_one() -> None:
    prompts = [PROMPT.__class__(name, PROMPT.messages, PROMPT.answer, PROMPT.source) for name in "abc"]
    how = searches.SearchSettings(max_new_tokens=20, step_tokens=5, max_steps=8, separators=frozenset({1}))
    asked = [(method, size) for method in ("best_of_n", "pf_prefix") for size in (2, 4)]
    engine = Remembering(Scripted())
    jobs = [_one(method, prompt, size, how, engine) for method, size in asked for prompt in prompts]
    found = curves(pl.DataFrame(together(jobs)))
    alone = {
        each: [together([_one(each[0], prompt, each[1], how, Scripted())])[0] for prompt in prompts] for each in asked
    }
    for (method, size), rows in alone.items():
        i = found[method].sizes.index(size)
        assert found[method].values["selected"][i].tolist() == near([float(row["selected"]) for row in rows])
        assert found[method].tokens[i] == near(np.mean([row["generated_tokens"] for row in rows]))
    tokens, values = found["best_of_n"].tokens, found["best_of_n"].values["selected"].mean(axis=1)
    point = found["best_of_n"].at(float(tokens.mean()))
    assert point is not None
    assert found["best_of_n"].read(point, "selected").mean() == near(np.interp(tokens.mean(), tokens, values))
    assert sample_tokens(found) == near(tokens[1] / 4)


async def _one(method: str, prompt: Any, size: int, how: Any, engine: Any) -> dict[str, Any]:
    r = await searches.search(method, engine, decode, prompt, score, check, how, size)
    shown = {"selected": r.selected, "oracle": r.oracle, "majority": r.majority, "scorer": "s", "nan_scores": 0}
    costs = {"generated_tokens": r.cost.generated, "drawn_tokens": r.cost.drawn, "scorer_calls": r.cost.scorer_calls}
    lists = {"answers": list(r.answers), "lengths": [len(p.ids) for p in r.particles], "truncated": [False]}
    return {"method": method, "size": size, "prompt_id": prompt.id, **shown, **costs, **lists}
