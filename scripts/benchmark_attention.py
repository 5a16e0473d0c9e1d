"""Which attention kernel is faster here: `eager` (plain matrix products) or `sdpa`?

Prints milliseconds a training step and a forward pass for both, in turn, for batches of 2,048
subwords at several lengths, with a padding mask, in the precision that xlt chooses on this machine.
`xlt.model.backbone.best_attention` follows what this prints.

    python scripts/benchmark_attention.py
"""

from __future__ import annotations

import time
from statistics import median

import torch
from transformers import XLMRobertaConfig, XLMRobertaModel

from xlt.inference.device import autocast, best_device, choose_precision

TOKENS, REPEAT = 2048, 5
SHAPES = {"6 × 256": (6, 256, 4), "12 × 768": (12, 768, 12)}


def main() -> None:
    device = best_device()
    precision = choose_precision("auto", device)
    print(f"{device}, {precision}, {torch.get_num_threads()} threads, ms: eager / sdpa = ratio")
    for name, (layers, width, heads) in SHAPES.items():
        models = {kind: model(kind, layers, width, heads).to(device) for kind in ("eager", "sdpa")}
        for length in (16, 32, 64, 128, 256, 512):
            for training in (True, False):
                times: dict[str, list[float]] = {kind: [] for kind in models}
                for _ in range(REPEAT):
                    for kind, one in models.items():
                        times[kind].append(step(one, length, training, precision, device))
                eager, sdpa = (1000 * median(times[kind]) for kind in ("eager", "sdpa"))
                what = "train" if training else "infer"
                ratio = eager / sdpa
                print(f"{name:9} {length:4} {what}  {eager:8.1f} / {sdpa:8.1f} = {ratio:5.2f}")


def model(kind: str, layers: int, width: int, heads: int) -> XLMRobertaModel:
    config = XLMRobertaConfig(
        vocab_size=1000, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=4 * width, max_position_embeddings=514, attn_implementation=kind,
    )  # fmt: skip
    return XLMRobertaModel(config, add_pooling_layer=False)


def step(one: XLMRobertaModel, length: int, training: bool, precision: str, device: str) -> float:
    rows = TOKENS // length
    ids = torch.randint(5, 1000, (rows, length), device=device)
    mask = torch.ones_like(ids)
    mask[:, -max(1, length // 20) :] = 0  # the padding that length buckets leave
    one.train(training)
    start = time.perf_counter()
    with torch.set_grad_enabled(training), autocast(precision, device):
        output = one(input_ids=ids, attention_mask=mask).last_hidden_state
    if training:
        output.float().square().mean().backward()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
