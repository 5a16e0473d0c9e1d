"""For the tests of plugins: the contract of a task, and encoders that are made in a moment.

::

    from xlt.testing import check_task

    def test_my_task(tmp_path):
        check_task(MyTask, RECORDS, tmp_path=tmp_path)
"""

from xlt.testing.clauses import CLAUSES
from xlt.testing.contract import check_task
from xlt.testing.encoder import OTHER_SHAPES, SHAPES, make_encoder, make_tokenizer

__all__ = ["CLAUSES", "OTHER_SHAPES", "SHAPES", "check_task", "make_encoder", "make_tokenizer"]
