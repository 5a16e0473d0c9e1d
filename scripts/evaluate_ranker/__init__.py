"""How good is the ranking of sources? Leave one language out, over all packaged matrices.

    python -m scripts.evaluate_ranker [--per-matrix] [--langrank N] [--noise] [--write]

For every language in turn: all its rows, as source and as target, leave every matrix; all that is
fitted is fitted again; the sources of its own columns are ranked. Ranked are targets with at least
5 sources. Relevance = max(0, min(10, n) + 1 - rank), gain 2^relevance - 1; regret in points of
metrics in per cent; rows shuffled with seed 7, so that ties do not favour an order. Of a matrix
with more than 100 targets, 100 evenly spaced ones are asked for.

--langrank N  also the recipe of Lin et al. 2019: LightGBM's lambdarank on the URIEL distances,
              without and with sizes, on N targets of each matrix, evenly spaced, with all methods
              on the same targets; 0 means all of them.
--noise       also what a second experiment is worth: the regret of choosing by another matrix of
              the same task that has measured the very target.
--write       also fit on everything and write xlt/typology/weights.json, intervals included.
"""
