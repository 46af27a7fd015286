"""Demonstrations that teach a policy to answer a second time."""

from __future__ import annotations

import pytest

from rlpipe.tasks.second_response import second_demonstration, second_demonstrations


def test_a_marker_is_one_word_that_the_problem_does_not_have() -> None:
    with pytest.raises(ValueError, match="is a word of the problem"):
        second_demonstration("make 3 otherwise", "1", "otherwise")
    with pytest.raises(ValueError, match="one word"):
        second_demonstration("make 3", "1", "other wise")


def test_second_demonstrations_pair_different_responses_to_one_prompt() -> None:
    def row(name: str, response: str) -> dict[str, object]:
        return {"prompt_id": name, "prompt": [{"role": "user", "content": f"q {name}"}], "response": response}

    rows = [row(f"p{i}", f"r{j}") for i in range(100) for j in range(4)] + [row("single", "r"), row("single", "r")]
    found = second_demonstrations(rows, "otherwise", 0.25, seed=0)
    assert [r["response"] for r in found] == [r["response"] for r in rows]
    turned = [r for r in found if r["prompt"][0]["content"].endswith(" otherwise")]
    assert 70 <= len(turned) <= 130
    for r in turned:
        question, name, first, _ = r["prompt"][0]["content"].split()
        assert (question, name) == ("q", r["prompt_id"])
        assert first != r["response"]
        assert first.startswith("r")
    assert found[-2:] == rows[-2:]
    assert second_demonstrations(rows, "otherwise", 0.0, seed=0) == rows
    assert second_demonstrations(rows[:100], "otherwise", 0.25, seed=0) == found[:100]
