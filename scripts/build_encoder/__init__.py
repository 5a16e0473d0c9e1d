"""A small multilingual encoder from raw and parallel text, in minutes on one core.

The subwords of all languages share one space: the pivot language's subwords get vectors from their
contexts, every other language's are averages of the vectors of the subwords they are aligned with.
The transformer layers above are random. It is a floor to start from where no pretrained encoder
is at hand, not a substitute for one.
"""
