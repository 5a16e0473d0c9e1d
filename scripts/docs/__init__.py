"""What `make docs` needs beside MkDocs: pages made from the schema, and readable docstrings.

And what is in the pages: their code blocks, and the guides as notebooks.
"""
