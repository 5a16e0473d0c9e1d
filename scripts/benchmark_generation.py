"""What a trimmed vocabulary and constrained decoding cost and save, in one run.

A model of mT5-small's shape (250,112 subwords, random weights: only the shape matters for speed)
takes one training step and generates questions for one batch, with its whole vocabulary and
trimmed to the subwords that a transfer between a few languages needs. Then the trimmed model tags
sentences by writing them again, freely and constrained (`xlt.model.constrain`), in the same number
of steps.

    python scripts/benchmark_generation.py

Each variant runs in a process of its own, in turn, and reports the peak memory of that process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from statistics import median
from types import SimpleNamespace
from typing import Any

SHAPE = {"vocab_size": 250_112, "d_model": 512, "d_kv": 64, "d_ff": 1024, "num_layers": 8,
         "num_heads": 6}  # fmt: skip
END, PAD = 1, 0
VARIANTS = ("full", "trimmed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kept", type=int, default=20_000, help="subwords of the trimmed model")
    parser.add_argument("--records", type=int, default=8)
    parser.add_argument("--input", type=int, default=256, help="subwords of an input")
    parser.add_argument("--output", type=int, default=24, help="subwords of an output")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--worker", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        json.dump(work(options), sys.stdout)
        return
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for _ in range(options.repeat):
        for name in VARIANTS:
            command = [sys.executable, __file__, "--worker", name, *sys.argv[1:]]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            measured[name].append(json.loads(done.stdout))
    print(f"{options.records} records, {options.input} → {options.output} subwords, medians of "
          f"{options.repeat} processes in turn")  # fmt: skip
    print(f"{'':34}{'full':>10}{'trimmed':>10}{'ratio':>9}")
    for key, label in {
        "train": "a training step, s",
        "train_memory": "peak memory of training, MiB",
        "beams_1": "questions a second, 1 beam",
        "beams_4": "questions a second, 4 beams",
    }.items():
        old, new = (median(one[key] for one in measured[name]) for name in VARIANTS)
        ratio = new / old if "second" in label else old / new
        print(f"{label:34}{old:10.2f}{new:10.2f}{ratio:8.2f}×")
    steps, free, bound = (
        median(one[key] for one in measured["trimmed"]) for key in ("steps", "free", "constrained")
    )
    print(f"\ntagging with 4 beams, {steps:.0f} steps: free {free:.2f} s, "
          f"constrained {bound:.2f} s, {bound / free:.2f}×")  # fmt: skip


def work(options: argparse.Namespace) -> dict[str, float]:
    import numpy as np
    import torch
    from transformers import MT5Config, MT5ForConditionalGeneration
    from transformers.utils import logging

    from xlt.inference.device import autocast, cast_for_inference, choose_precision
    from xlt.model.vocabulary import Trimmed

    logging.set_verbosity_error()  # of an end that never comes
    torch.manual_seed(0)
    precision = choose_precision("auto", "cpu")
    tokenizer = SimpleNamespace(all_special_ids=[PAD, END, 2], unk_token_id=2, pad_token_id=PAD)
    network = MT5ForConditionalGeneration(MT5Config(**SHAPE))
    if options.worker == "trimmed":
        Trimmed(network, tokenizer, np.arange(options.kept))
    model = seq2seq(network, tokenizer)
    draw = torch.Generator().manual_seed(0)

    def subwords(rows: int, width: int) -> torch.Tensor:
        return torch.randint(3, options.kept, (rows, width), generator=draw)

    batch = {
        "input_ids": subwords(options.records, options.input),
        "window_of": torch.arange(options.records),
    }
    targets = subwords(options.records, options.output)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def step() -> None:
        with autocast(precision, "cpu"):
            loss = model(**batch, target_input_ids=targets, labels=targets)["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    step()  # makes the moments
    result = {"train": seconds(step)}
    result["train_memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    model.eval()
    cast_for_inference(model, precision)

    def generate(beams: int) -> None:
        model.generation = model.generation.model_copy(update={"beams": beams})
        with torch.inference_mode(), autocast(precision, "cpu"):
            model(**batch)

    model.config.eos_token_id = -1  # outputs of one length, whatever the random weights say
    for beams in 1, 4:
        generate(beams)
        result[f"beams_{beams}"] = options.records / seconds(lambda b=beams: generate(b))
    model.config.eos_token_id = END
    if options.worker == "trimmed":
        result |= tagging(model, batch, precision, options)
    return result


def seq2seq(network: Any, tokenizer: Any) -> Any:
    from xlt.config.schema import Model
    from xlt.model.backbone import Backbone
    from xlt.model.generation import Generation
    from xlt.model.seq2seq import Seq2Seq

    backbone = Backbone("nothing is loaded", Model())
    backbone.tokenizer = tokenizer
    return Seq2Seq(network, {}, backbone, Generation(max_pieces=24))


def tagging(
    model: Any, batch: Any, precision: str, options: argparse.Namespace
) -> dict[str, float]:
    """Seconds of writing a batch with six types of tags, constrained to its words, and free for as
    many steps (a beam search goes on for longer than its best output is)."""
    import torch

    from xlt.inference.device import autocast
    from xlt.model.constrain import Constrained, CopyTags

    tags = [((3 + 2 * n,), (4 + 2 * n,)) for n in range(6)]
    width = 40
    words = [tuple(row[i : i + 1 + i % 2]) for row in batch["input_ids"][:, :width].tolist()
             for i in range(0, width, 2)]  # fmt: skip
    each = len(words) // options.records
    records = [words[n * each : (n + 1) * each] for n in range(options.records)]
    steps: list[int] = []

    def counted(input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        steps.append(len(input_ids))
        return scores

    def run(limit: int, processors: list[Any]) -> None:
        steps.clear()
        with torch.inference_mode(), autocast(precision, "cpu"):
            model.generate(model.read(**batch), max_pieces=limit, processors=processors)

    def constrained() -> None:
        automata = [CopyTags(one, tags, END) for one in records]
        longest = max(one.longest() for one in automata)
        run(longest, [Constrained(automata, 1, longest), counted])

    result = {"constrained": seconds(constrained), "steps": len(steps)}
    limit = len(steps)
    model.config.eos_token_id = -1
    result["free"] = seconds(lambda: run(limit, [counted]))
    if len(steps) != limit:
        raise AssertionError(f"{len(steps)} steps are compared with {limit}")
    return result


def seconds(work: Any) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
