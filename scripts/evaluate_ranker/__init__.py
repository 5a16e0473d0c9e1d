"""How good is the ranking of sources? Leave out one language and one paper.

    python -m scripts.evaluate_ranker [--within] [--encoder] [--no-sizes] [--per-matrix]
                                      [--langrank N] [--noise] [--nested] [--write]
                                      [--set MODULE.NAME=VALUE …]

For every target of every paper: all matrices of the paper are left out, and so are all rows of the
language, as source and as target, in the matrices of other papers; all that is fitted is fitted
again; the sources of the target's column are ranked, as `xlt predict-source` ranks them for a user
who knows how much data each has. Ranked are targets with at least 5 sources. Relevance =
max(0, min(10, n) + 1 - rank), gain 2^relevance - 1; regret in points of metrics in per cent; rows
shuffled with seed 7, so that ties do not favour an order. Of a matrix with more than 100 targets,
100 evenly spaced ones are asked for.

--within      with a table of one's own: the matrix itself, without the language, is known besides,
              and no interval is judged: one language alone is left out.
--encoder     the matrix's encoder is named.
--no-sizes    nothing is known of how much data a source has.
--langrank N  also the recipe of Lin et al. 2019: LightGBM's lambdarank on the URIEL distances,
              without and with sizes, on N targets of each matrix, evenly spaced, with all methods
              on the same targets; 0 means all of them. It sees the rest of the matrix.
--noise       also what a second experiment is worth: the regret of choosing by another matrix of
              the same task that has measured the very target; and what it would be worth to be told
              each source's average over the other targets of the matrix.
--nested      intervals for a paper are made of errors that its matrices had no part in, either: all
              is fitted once more for every paper.
--set         another value of a number that a module of xlt.typology has, and itself reads.
--write       also fit on everything and write xlt/typology/weights.json, intervals included.
"""
