"""Coverage-guided fuzzing of everything that reads what users give.

::

    python -m scripts.fuzz conllu --runs 1000000
    python -m scripts.fuzz all --seconds 30

`targets` says what is run: each takes bytes, and may raise nothing but an XltError that says where
and how to mend it. `corpus` holds a folder of small seeds for each target, written by ourselves,
and what has once crashed one. `replay` runs the seeds, and simple changes of them, without atheris;
the tests do that.
"""
