"""What `make docs` needs beside MkDocs: pages made from the schema, and readable docstrings."""
