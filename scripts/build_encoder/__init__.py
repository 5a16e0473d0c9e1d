"""A small multilingual encoder from raw and parallel text, in minutes on one core.

The pieces of all languages share one space: the pivot language's pieces get vectors from their
contexts, every other language's are averages of the vectors of the pieces they are aligned with.
The transformer layers above are random. It is a floor to start from where no pretrained encoder
is at hand, not a substitute for one.
"""
