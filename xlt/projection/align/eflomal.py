"""`eflomal`: the Bayesian HMM with fertilities of Östling & Tiedemann 2016 (PBML 106), by sampling.

The program has no seed: two runs differ. `runs` of them are combined, a link counts where most say
so, and its score is the share of all samplers, in both directions, that have it.
"""

from __future__ import annotations

import logging
import subprocess
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xlt.errors import XltError
from xlt.projection.align.base import AlignerOptions, WordPair
from xlt.projection.align.statistical import Statistical, StatisticalOptions
from xlt.projection.align.symmetrise import LinkTable, Method, symmetrise
from xlt.projection.pair import Links

log = logging.getLogger(__name__)

_MARGIN = 1e-9


class EflomalOptions(StatisticalOptions):
    symmetrise: Method = "intersection"
    runs: int = Field(default=3, ge=1, le=1000, description="independent samplers to combine")
    effort: float = Field(
        default=1.0, gt=0, le=1000, description="iterations, relative to eflomal's own choice"
    )
    null_prior: float = Field(
        default=0.2, gt=0, lt=1, description="how probable it is that a word has no counterpart"
    )
    lexical: float = Field(
        default=1.0,
        ge=0,
        le=1e6,
        description="pseudo-count of two words that look alike; 0: not used",
    )


class Eflomal(Statistical):
    """Needs the extra `align`."""

    Options: ClassVar[type[AlignerOptions]] = EflomalOptions
    options: EflomalOptions

    def check(self, source: str, target: str) -> None:
        _package()

    def align_together(self, pairs: Sequence[WordPair], more: Sequence[WordPair]) -> list[Links]:
        text = _as_text([*pairs, *more])
        alike = _look_alikes(text, self.options.lexical) if self.options.lexical else {}
        forward, reverse = self._sample(text, alike, len(pairs))
        half = 0.5 + _MARGIN if self.options.runs > 1 else 0.5
        chosen = symmetrise(forward.at_least(half), reverse.at_least(half), self.options.symmetrise)
        return chosen.links(len(pairs))

    def _sample(
        self, text: tuple[list[str], list[str]], alike: dict[tuple[str, str], float], pairs: int
    ) -> tuple[LinkTable, LinkTable]:
        """The first pairs' links in each direction, scored with the share of runs with them."""
        package, runs = _package(), self.options.runs
        sampler = package.Aligner(
            n_samplers=3 if runs == 1 else 1,  # eflomal's own averaging, where there is one run
            rel_iterations=self.options.effort,
            null_prior=self.options.null_prior,
        )
        votes: list[list[NDArray[np.int64]]] = [[], []]
        with tempfile.TemporaryDirectory(prefix="xlt-eflomal-") as folder:
            names = [str(Path(folder) / name) for name in ("forward", "reverse")]
            for run in range(1, runs + 1):
                log.info("aligning %d pairs with eflomal: run %d of %d", len(text[0]), run, runs)
                priors = [f"LEX\t{one}\t{other}\t{n:g}\n" for (one, other), n in alike.items()]
                try:
                    sampler.align(*text, *names, priors_input=priors or None)
                except (subprocess.CalledProcessError, OSError, RuntimeError) as error:
                    raise XltError(
                        f"eflomal failed: {error}",
                        where="aligner eflomal",
                        fix="see its message above; the aligner `agreement` needs no program",
                    ) from error
                for name, direction in zip(names, votes, strict=True):
                    direction.append(_read(Path(name), pairs))
        return _share(votes[0], runs), _share(votes[1], runs)


def _package() -> Any:
    try:
        import eflomal
    except ImportError as error:
        raise XltError(
            "eflomal is not installed",
            where="aligner eflomal",
            fix="pip install 'xlt[align]' (it compiles a C program), or use `agreement`",
        ) from error
    return eflomal


def _as_text(pairs: Sequence[WordPair]) -> tuple[list[str], list[str]]:
    """Lines for eflomal, which splits them at white space: words must have none."""
    sides = (
        [" ".join("_".join(word.split()) or "_" for word in pair[side]) for pair in pairs]
        for side in (0, 1)
    )
    source, target = sides
    return source, target


def _read(path: Path, pairs: int) -> NDArray[np.int64]:
    """The links of the first pairs, (links, 3): pair, source word, target word."""
    with path.open(encoding="utf-8") as stream:
        rows = [
            (n, *map(int, link.split("-")))
            for n, line in enumerate(islice(stream, pairs))
            for link in line.split()
        ]
    return np.array(rows, np.int64).reshape(-1, 3)


def _share(runs: list[NDArray[np.int64]], number: int) -> LinkTable:
    links, counts = np.unique(np.concatenate(runs), axis=0, return_counts=True)
    return LinkTable(links[:, 0], links[:, 1], links[:, 2], counts / number)


def _look_alikes(text: tuple[list[str], list[str]], weight: float) -> dict[tuple[str, str], float]:
    """Pseudo-counts of the words of a pair that look alike, by eflomal's spelling of them."""
    from xlt.projection.align.lexical import look_alikes

    source, target = ([line.lower().split() for line in side] for side in text)
    likeness = look_alikes(list(zip(source, target, strict=True)))
    return {words: weight * value for words, value in likeness.items()}
