"""Measure the bundled language model and write what it found as JSON, and as a table in its card.

    python -m research.bundled_llm.measure --model FOLDER --corpus FOLDER --out metrics.json --card

Bits per byte on held-out documents of each domain, beside the small foreign models of the folder
`lm` in `SENSOR2LLM_SHARED` on the stories; the probes, each against chance; ten samples; and the
speed of the bare forward pass against the machine's own rate of matrix products.
"""

import argparse
import json
import logging
import os
import re
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import torch

from research.bundled_llm.corpus import SUFFIX, documents, is_held_out, records
from research.bundled_llm.likelihood import bits_per_byte
from research.bundled_llm.probes import PROBES, answers
from sensor2llm.errors import run_verb
from sensor2llm.llm.frozen import FrozenLLM

FOREIGN = ("stories260K", "babyllama-tok105-940K")
SAMPLE_PROMPTS = (
    "Hello!",
    "What is a heart?",
    "What does an accelerometer measure?",
    "The acceleration swings at 1.9 Hz. What is the person doing: walking or sleeping?",
    "Labels: sitting, running, lying. The woman is running. Which label?",
    "Numbers: 12, 45, 7. Which is the largest?",
    "Copy the number 4 8 0",
    "Why do people sleep?",
    "What is my heart rate?",
    "Tell me a short story about a dog.",
)
TINY_STORIES = ("TinyStories", "Mini_GPT")
START, STOP = "<!-- figures: start -->", "<!-- figures: end -->"
TOKENS, BATCH = 48, 32

logger = logging.getLogger(__name__)


def held_out_texts(corpus: Path, characters: int) -> tuple[dict[str, list[str]], Counter[str]]:
    """Collect held-out documents by domain, up to so many characters each."""
    texts: dict[str, list[str]] = defaultdict(list)
    size: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    for domain, text in documents(corpus, broken):
        if size[domain] < characters and is_held_out(text):
            texts[domain].append(text)
            size[domain] += len(text)
    return dict(texts), broken


def domain_bits(llm: FrozenLLM, texts: dict[str, list[str]]) -> dict[str, Any]:
    return {
        domain: {
            "bits_per_byte": bits_per_byte(llm.model, llm.tokenizer, chosen, str(llm.device)),
            "documents": len(chosen),
            "bytes": sum(len(text.encode()) for text in chosen),
        }
        for domain, chosen in sorted(texts.items())
    }


def tiny_stories(corpus: Path) -> list[str]:
    """Give the held-out stories of the kind that the foreign models were trained on."""
    path = corpus / f"stories{SUFFIX}"
    rows = records(path) if path.is_file() else iter(())
    texts = [row["text"] for row in rows if any(kind in row["source"] for kind in TINY_STORIES)]
    return [text for text in texts if is_held_out(text)]


def stories_bits(llm: FrozenLLM, stories: list[str]) -> dict[str, float]:
    """Score ours and the small foreign models, where they are at hand, on the same stories."""
    shared = os.environ.get("SENSOR2LLM_SHARED")
    if not stories:
        return {}
    bits = {"this model": bits_per_byte(llm.model, llm.tokenizer, stories, str(llm.device))}
    if not shared:
        return bits
    for name in FOREIGN:
        other = FrozenLLM.load(str(Path(shared) / "lm" / name), dtype="float32")
        bits[name] = bits_per_byte(other.model, other.tokenizer, stories, str(other.device))
    return bits


def run_probes(llm: FrozenLLM) -> dict[str, Any]:
    results = {}
    for name, run in PROBES.items():
        results[name] = run(llm.model, llm.tokenizer, str(llm.device))
        logger.info("%s: %.3f", name, results[name]["share"])
    return results


def samples(llm: FrozenLLM) -> list[dict[str, str]]:
    written = answers(llm.model, llm.tokenizer, SAMPLE_PROMPTS, str(llm.device), 96)
    return [
        {"prompt": prompt, "answer": answer.text}
        for prompt, answer in zip(SAMPLE_PROMPTS, written, strict=True)
    ]


@torch.inference_mode()
def forward_speed(llm: FrozenLLM, seconds: float = 3.0) -> dict[str, Any]:
    """Time the bare forward pass, on one thread, against matrix products of the same type."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ids = torch.randint(0, llm.vocabulary, (BATCH, TOKENS), device=llm.device)
        parameters = sum(p.numel() for p in llm.model.parameters())
        forward_s = _fastest(lambda: llm.model(input_ids=ids, use_cache=False), seconds)
        left = torch.randn(1024, 1024, device=llm.device, dtype=llm.dtype)
        product_s = _fastest(lambda: left @ left, seconds)
    finally:
        torch.set_num_threads(threads)
    model_rate = 2 * parameters * BATCH * TOKENS / forward_s / 1e9
    product_rate = 2 * 1024**3 / product_s / 1e9
    return {
        "dtype": str(llm.dtype).removeprefix("torch."),
        "tokens": TOKENS,
        "batch": BATCH,
        "threads": 1,
        "forward_ms": forward_s * 1e3,
        "gflop_per_s": model_rate,
        "matrix_product_gflop_per_s": product_rate,
        "share_of_matrix_product": model_rate / product_rate,
    }


def _fastest(run: Any, seconds: float) -> float:
    """Give the shortest of the calls that fit in so many seconds, after one that warms up."""
    run()
    best, start = float("inf"), time.perf_counter()
    while time.perf_counter() - start < seconds:
        before = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - before)
    return best


def card_table(metrics: dict[str, Any]) -> str:
    """Write the figures as Markdown."""
    lines = ["| held-out domain | bits per byte | documents |", "|---|---|---|"]
    for domain, row in metrics["bits_per_byte"].items():
        lines.append(f"| {domain} | {row['bits_per_byte']:.3f} | {row['documents']} |")
    for name, bits in metrics["tiny_stories"].items():
        documents_scored = metrics["tiny_stories_documents"]
        lines.append(f"| TinyStories, by {name} | {bits:.3f} | {documents_scored} |")
    lines += ["", "| probe | share | chance | n |", "|---|---|---|---|"]
    for name, row in metrics["probes"].items():
        lines.append(f"| {name} | {row['share']:.1%} | {row['chance']:.1%} | {row['n']} |")
    speed = metrics["speed"]
    lines += [
        "",
        f"Bare forward, {TOKENS} tokens, batch {BATCH}, {speed['dtype']}, one thread: "
        f"{speed['forward_ms']:.0f} ms, {speed['gflop_per_s']:.1f} GFLOP/s, "
        f"{speed['share_of_matrix_product']:.0%} of the machine's matrix products.",
        "",
        "Ten samples, greedy:",
        "",
    ]
    for sample in metrics["samples"]:
        answer = " ".join(sample["answer"].split())
        lines.append(f"- **{sample['prompt']}** {answer}")
    lines += ["", f"Written by `{metrics['command']}`."]
    return "\n".join(lines)


def write_card(card: Path, table: str) -> None:
    """Put the table between the card's marks; at its end if it has none."""
    text = card.read_text(encoding="utf-8") if card.is_file() else "# Bundled language model\n"
    block = f"{START}\n{table}\n{STOP}"
    marked = re.compile(re.escape(START) + ".*?" + re.escape(STOP), re.DOTALL)
    if marked.search(text):
        text = marked.sub(lambda _: block, text)
    else:
        text = f"{text.rstrip()}\n\n{block}\n"
    card.write_text(text, encoding="utf-8")


def measure(model: str, corpus: Path, characters: int, device: str | None) -> dict[str, Any]:
    """Measure one model; every figure of the card is in what comes back."""
    llm = FrozenLLM.load(model, dtype="float32", device=device)
    texts, broken = held_out_texts(corpus, characters)
    stories = tiny_stories(corpus)
    fast = FrozenLLM.load(model, dtype="auto", device="cpu")
    return {
        "command": "python -m research.bundled_llm.measure",
        "parameters": sum(p.numel() for p in llm.model.parameters()),
        "identity": llm.identity,
        "bits_per_byte": domain_bits(llm, texts),
        "tiny_stories": stories_bits(llm, stories),
        "tiny_stories_documents": len(stories),
        "broken_corpus_lines": dict(broken),
        "probes": run_probes(llm),
        "samples": samples(llm),
        "speed": forward_speed(fast),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="bundled", help="folder of the model")
    parser.add_argument("--corpus", type=Path, required=True, help="folder of *.jsonl.xz files")
    parser.add_argument("--out", type=Path, required=True, help="where the JSON goes")
    parser.add_argument("--characters", type=int, default=1_000_000, help="held-out text a domain")
    parser.add_argument("--device", help="cpu or cuda; the first GPU if there is one")
    parser.add_argument(
        "--card", action="store_true", help="put the table in the model's README.md"
    )
    options = parser.parse_args()
    metrics = measure(options.model, options.corpus, options.characters, options.device)
    options.out.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    if options.card:
        write_card(Path(options.model) / "README.md", card_table(metrics))


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
