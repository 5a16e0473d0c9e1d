"""Mutation testing: how many small faults in a module do its tests catch?

    python -m scripts.mutate xlt/typology xlt/evaluation --number 60

Each mutant differs from its module in one place: a comparison, an operator, a number, a condition,
a term of a sum that is left out. Docstrings, messages and other strings stay, so do annotations,
decorators and assertions (zip's `strict` is one). A mutant lives in memory only, in a forked
process that runs the tests; no file changes. What tests start as a program of their own
(`python -m xlt`) is not mutated.

The tests of a module are the files of tests/unit and tests/golden that import it by name, or its
package where none does; `--tests` chooses others. They run once without a fault, and it is recorded
which lines each of them runs; a mutant is then shown to those alone that run the changed lines, the
quickest first.
"""
