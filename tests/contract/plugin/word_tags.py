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
            yield self.record(id, sentence.forms, tags, where=f"{path}:{sentence.line}")

    def write(self, records, stream, format):
        if format == "jsonl":
            super().write(records, stream, format)
            return
        for record in records:
            comments = [f"# sent_id = {record['id']}"]
            sentence = Sentence.from_words(record["words"], upos=record["tags"], comments=comments)
            write_conllu([sentence], stream)

    def annotate(self, doc, sentences):
        for record, tokens in sentences:
            for token, tag in zip(tokens, record["tags"], strict=True):
                token.pos_ = tag
