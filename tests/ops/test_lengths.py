from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rlpipe.ops.lengths import parts_of_similar_length


@given(st.lists(st.integers(0, 20), max_size=30), st.integers(1, 60))
def test_every_row_once_longest_first_in_parts_as_full_as_the_bound_lets_them_be(lengths, most):
    parts = list(parts_of_similar_length(lengths, most))
    rows = [i for part in parts for i in part]
    assert rows == sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)), "each once, equal ones in their order"
    for number, part in enumerate(parts):
        longest = max(lengths[i] for i in part)
        assert lengths[part[0]] == longest
        assert len(part) == 1 or len(part) * longest <= most
        if number < len(parts) - 1:
            assert (len(part) + 1) * max(longest, 1) > most


def test_by_hand():
    assert list(parts_of_similar_length([3, 9, 3, 4, 20], 12)) == [[4], [1], [3, 0, 2]]
    assert list(parts_of_similar_length([1, 0, 1, 1], 3)) == [[0, 2, 3], [1]]
    assert list(parts_of_similar_length([0, 0, 0], 2)) == [[0, 1], [2]]
    assert list(parts_of_similar_length([], 12)) == []
