"""What printed figures say of differences whose runs are gone.

    python -m scripts.reliability.printed "1.6 0.2 0.0 3 0.6 2.7" "2.2 0.5 0.0 3 1.0 3.4"

Each argument is one comparison: the difference of two means, the standard deviation over seeds of
either side, the seeds a side had, and, if it was printed, the 95 % interval over records alone. Its
variance is sd² / seeds of both and (width / 3.92)². The part that is in both, since each seed meets
the records in its own way, cannot be taken off, so that intervals are wider than `xlt compare`'s.
Without an interval over records this is Welch's test, for these very records. p is adjusted for all
arguments.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import reduce
from operator import add

from xlt.evaluation.statistics import SEEDS_AND_RECORDS, Comparison, Variance, judge

RECORDS = 1000
"""Degrees of freedom of the part that comes from records; hundreds more or less change nothing."""


def comparison(figures: Sequence[float]) -> Comparison:
    """figures: difference, sd of A, sd of B, seeds, and perhaps low and high."""
    difference, sd_a, sd_b, seeds, *interval = figures
    parts = [Variance.of(sd**2 / seeds, seeds - 1) for sd in (sd_a, sd_b)]
    if interval:
        low, high = interval
        parts.append(Variance.of(((high - low) / 3.92) ** 2, RECORDS))
    variance = reduce(add, parts)
    over = SEEDS_AND_RECORDS if interval else "seeds"
    return Comparison(
        difference, *variance.around(difference, 0.95), variance.p(difference), over, True
    )


def main() -> None:
    rows = judge([comparison([float(x) for x in text.split()]) for text in sys.argv[1:]])
    for text, row in zip(sys.argv[1:], rows, strict=True):
        print(
            "{difference:+z.1f} [{low:+z.1f}, {high:+z.1f}], p {p:.4f}, "
            "adjusted {p_adjusted:.4f}".format(**row)
            + (" *" if row["sure"] else ""),
            f"  over {row['over']}   ({text})",
        )


if __name__ == "__main__":
    main()
