"""Every family of tokenizers, small: the steps of the real ones, trained on a few sentences."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import ByT5Tokenizer, CanineTokenizer, PreTrainedTokenizerFast

from xlt.model import embedded

TEXT = [
    "The quick brown fox jumps over the lazy dog , and runs away .",
    "Wong-wong mangan sega ing omah kuwi .",
    "שלום עולם , מה שלומך היום ؟ السلام عليكم ورحمة الله",
    "我 喜欢 吃 苹果 。 今日 は 天気 が いい です 。",
    "我喜欢吃苹果。今日は天気がいいです。",
    "Straße naïve café Ọjọ́ ẹ̀kọ́ 123 4567",
    "วันนี้อากาศดีมาก မြန်မာဘာသာ ဖြစ်သည်",
    "Il gatto delle donne è sulla tavola.",
    "I'm sure it's 5 o'clock; they'll come to \"Kano\" (Nigeria)!",
] * 3

ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LLAMA = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _fast(tokenizer: Tokenizer, trainer: Any, special: list[str]) -> PreTrainedTokenizerFast:
    tokenizer.train_from_iterator(TEXT, trainer)
    names = {"<s>": "bos", "</s>": "eos", "[CLS]": "cls", "[SEP]": "sep"}
    roles = {f"{names.get(text, text.strip('<>[]').lower())}_token": text for text in special}
    begin = next(text for text in special if text in ("<s>", "[CLS]"))
    end = next(text for text in special if text in ("</s>", "[SEP]"))
    ids = [(text, tokenizer.token_to_id(text)) for text in (begin, end)]
    template = processors.TemplateProcessing(
        single=f"{begin} $A {end}", pair=f"{begin} $A {end} $B {end}", special_tokens=ids
    )
    before = tokenizer.post_processor
    tokenizer.post_processor = (
        template if before is None else processors.Sequence([before, template])
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **roles)


def _unigram(scheme: str, normalizer: Any, *steps: Any) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*steps, pre_tokenizers.Metaspace(prepend_scheme=scheme)]
    )
    tokenizer.decoder = decoders.Metaspace(prepend_scheme=scheme)
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=ROBERTA, unk_token="<unk>", show_progress=False
    )
    return _fast(tokenizer, trainer, ROBERTA)


def _bpe(
    pre_tokenizer: Any, special: list[str], *, bytes: bool = False, post_processor: Any = None
) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>" if "<unk>" in special else None))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.post_processor = post_processor
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if bytes else [],
        show_progress=False,
    )
    return _fast(tokenizer, trainer, special)


def _sentencepiece_bpe(pre_tokenizer: Any, normalizer: Any = None) -> PreTrainedTokenizerFast:
    """What merges over no space although nothing splits there: it was trained so."""
    trained = _bpe(pre_tokenizers.Metaspace(prepend_scheme="never"), ROBERTA)
    trained.backend_tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        trained.backend_tokenizer.normalizer = normalizer
    return trained


def _byte_level(add_prefix_space: bool, trim_offsets: bool, special: list[str]) -> Any:
    return _bpe(
        pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space),
        special,
        bytes=True,
        post_processor=processors.ByteLevel(trim_offsets=trim_offsets),
    )


def _llama() -> PreTrainedTokenizerFast:
    split = pre_tokenizers.Split(Regex(LLAMA), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    special = [text for text in ROBERTA if text != "<unk>"]
    steps = pre_tokenizers.Sequence([split, byte_level])
    return _bpe(steps, special, bytes=True, post_processor=processors.ByteLevel(trim_offsets=False))


def _wordpiece(**options: bool) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(**options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=BERT, show_progress=False)
    return _fast(tokenizer, trainer, BERT)


def _bare_words() -> PreTrainedTokenizerFast:
    """WordPiece that splits at white space alone, so that it looks `[SEP]` up as a whole."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=BERT, show_progress=False)
    return _fast(tokenizer, trainer, BERT)


def _mini() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(embedded.FOLDER)


_nfkc = normalizers.NFKC

FAMILIES: dict[str, Callable[[], Any]] = {
    "xlm-roberta": lambda: _unigram("always", _nfkc(), pre_tokenizers.WhitespaceSplit()),
    "t5": lambda: _unigram("always", _nfkc()),
    "unigram-first": lambda: _unigram("first", _nfkc()),
    "unigram-never": lambda: _unigram("never", _nfkc()),
    "llama-2": lambda: _sentencepiece_bpe(
        pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    ),
    "gemma": lambda: _sentencepiece_bpe(
        pre_tokenizers.Split(" ", "merged_with_previous"), normalizers.Replace(" ", "▁")
    ),
    "gpt-2": lambda: _byte_level(False, False, ["<s>", "<pad>", "</s>"]),
    "roberta": lambda: _byte_level(False, True, ROBERTA),
    "roberta-prefix": lambda: _byte_level(True, True, ROBERTA),
    "modernbert": lambda: _byte_level(False, True, BERT),
    "byte-level-prefix": lambda: _byte_level(True, False, BERT),
    "llama-3": _llama,
    "bert-cased": lambda: _wordpiece(lowercase=False, strip_accents=False),
    "bert-uncased": lambda: _wordpiece(lowercase=True),
    "bert-without-chinese": lambda: _wordpiece(lowercase=False, handle_chinese_chars=False),
    "wordpiece-at-spaces": _bare_words,
    "byt5": ByT5Tokenizer,
    "canine": CanineTokenizer,
    "xlt-mini": _mini,
}


@cache
def family(name: str) -> Any:
    return FAMILIES[name]()
