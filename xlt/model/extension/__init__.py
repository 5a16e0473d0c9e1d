"""More subwords for an encoder, from text of a language that its own tear apart.

`subwords` trains them on the text and puts them beside the old, `vectors` and `initialise` give
them rows of the embedding table, `folder` makes of it an encoder like any other, once.
"""
