"""What `precision: auto` becomes: bf16 where oneDNN multiplies it natively, else fp32."""

from __future__ import annotations

from pathlib import Path

import pytest

from xlt.inference.device import choose_precision


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch):
    """Sets the flags in /proc/cpuinfo, and the limit that oneDNN is given."""

    def make(flags: str, limit: str | None = None) -> None:
        monkeypatch.setattr(Path, "read_text", lambda path, **_: f"flags\t\t: fpu {flags} sse\n")
        if limit is None:
            monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
        else:
            monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)

    return make


@pytest.mark.parametrize(
    ("flags", "precision"),
    [("avx2", "fp32"), ("avx512f avx512_bf16", "bf16"), ("amx_bf16", "bf16"), ("bf16", "bf16")],
)
def test_auto_follows_the_processor(processor, flags, precision):
    processor(flags)
    assert choose_precision("auto", "cpu") == precision
    assert choose_precision("fp32", "cpu") == "fp32"
    assert choose_precision("bf16", "cpu") == "bf16"


@pytest.mark.parametrize(
    ("limit", "precision"),
    [("AVX2", "fp32"), ("avx512_core", "fp32"), ("AVX512_CORE_BF16", "bf16"), ("ALL", "bf16")],
)
def test_auto_follows_the_limit_that_onednn_is_given(processor, limit, precision):
    """Emulated products are a thousand times slower."""
    processor("avx512_bf16 amx_bf16", limit)
    assert choose_precision("auto", "cpu") == precision
