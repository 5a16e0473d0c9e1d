"""Writes the embedded sample corpus: ``python -m scripts.make_sample OUTPUT_FOLDER``.

Abstract scenes (`scenes`) are realised by one small grammar per language (`grammars`), and
every annotation layer is read off the same realisation (`layers`, `pairs`).
"""
