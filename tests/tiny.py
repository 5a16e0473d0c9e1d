"""Small encoders made on the spot: see `xlt.testing`."""

from xlt.testing import SHAPES, make_encoder, make_tokenizer

__all__ = ["SHAPES", "make_encoder", "make_tokenizer"]
