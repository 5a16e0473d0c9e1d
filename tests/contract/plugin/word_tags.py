"""Part-of-speech tags from any treebank of Universal Dependencies."""

from xlt.data.conllu import UPOS, Sentence, read_conllu, write_conllu
from xlt.word_task import WordLabelTask


class WordTags(WordLabelTask):
    """The universal part of speech of every word."""

    name = "word_tags"
    formats = {"conllu": (".conllu",), "jsonl": (".jsonl",)}

    def read(self, path, format, *, labelled=True, **options):
        if format == "jsonl":
            yield from super().read(path, format, labelled=labelled, **options)
            return
        for number, sentence in enumerate(read_conllu(path, strict_trees=False), 1):
            id = sentence.comment("sent_id") or str(number)
            tags = [row[UPOS] for row in sentence.words]
            yield self.document(id, sentence.text(), tags, where=f"{path}:{sentence.line}")

    def write(self, documents, stream, format):
        if format == "jsonl":
            super().write(documents, stream, format)
            return
        for document in documents:
            comments, tags = [f"# sent_id = {document.id}"], self.tags(document)
            sentence = Sentence.from_text(document.text, upos=tags, comments=comments)
            write_conllu([sentence], stream)

    def annotate(self, doc, sentences):
        for document, tokens in sentences:
            for token, tag in zip(tokens, self.tags(document), strict=True):
                token.pos_ = tag
