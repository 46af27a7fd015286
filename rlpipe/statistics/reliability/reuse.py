"""What looking at one test split many times costs: every look is a chance to choose by luck.

Source: adaptive data analysis, arXiv:1411.2664; the rule for reports and its colours are ours.
"""

from __future__ import annotations

import math
from typing import Literal

State = Literal["supported", "corrected", "not supported"]


def family_error(looks: int, alpha: float = 0.05) -> float:
    """Chance of a false finding among so many independent comparisons at level alpha."""
    return 1 - (1 - alpha) ** looks


def half_width(items: int, looks: int, alpha: float = 0.05) -> float:
    """Half-width that holds for the means of all looks at once (Hoeffding): sqrt(ln(2 k / alpha) / (2 n))."""
    return math.sqrt(math.log(2 * looks / alpha) / (2 * items))


def winners_inflation(sd: float, items: int, candidates: int) -> float:
    """By how much the best of so many equal candidates looks better than it is: sd / sqrt(n) sqrt(2 ln k), at most."""
    return sd / math.sqrt(items) * math.sqrt(2 * math.log(candidates)) if candidates > 1 else 0.0


def state(items: int, looks: int, candidates: int, gain: float, sd: float) -> State:
    """`supported`: one candidate, chosen elsewhere. `not supported`: more looks than a tenth of the items, or a gain that
    the luck of the winner explains. Else `corrected`: read the adjusted p-values.
    """
    if looks > items / 10 or (candidates > 1 and abs(gain) < winners_inflation(sd, items, candidates)):
        return "not supported"
    return "supported" if candidates <= 1 else "corrected"
