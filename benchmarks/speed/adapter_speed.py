"""Measure what the adapter costs beside the frozen LLM itself, as ratios within one run.

    python -m benchmarks.speed.adapter_speed --threads 1       random weights, bundled size
    python -m benchmarks.speed.adapter_speed --shape smollm2   random weights, SmolLM2's size, bf16
    python -m benchmarks.speed.adapter_speed --llm FOLDER --attention eager sdpa

- `training`: windows/s of one training step (projector, slots, loss, optimiser; cached features)
  over the LLM's own forward and backward, with gradients to its inputs, on as many positions as
  are run (the cached prefix is none of them), with logits at as many places.
- with two attention implementations, the first's forward and backward against the second's.
- `scoring`: windows/s of scoring all labels over the last two, against the LLM's bare forward on
  as many positions as are run, and against scoring each label alone.
- `…_against_long_prompt`: against the tree path of release 0.1: P = 8, K = 8, the question behind
  the slots, the soft prompt run for every window, torch's fused attention.

The two sides alternate, the first to go changes, and each ratio is the median over pairs. With one
thread, time is the process's own CPU time, so that other load on the machine counts less.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from benchmarks.speed.random_llm import LABELS, load_llm
from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.adapter.builders import build_projector
from sensor2llm.adapter.parts import AdapterData, AdapterPrompt, Bridge, LLMReference, LLMTuning
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.llm.config import SoftPromptConfig
from sensor2llm.llm.forward import Prefix, assemble
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.prefix import compute_prefix
from sensor2llm.llm.scoring import score_each, score_tree
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.llm.tuning.soft_prompt import SoftPrompt
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.config import Recipe
from sensor2llm.signals.spec import Channel, Modality, SignalSpec


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    result: dict[str, Any] = {
        "command": "python -m benchmarks.speed.adapter_speed " + " ".join(sys.argv[1:]),
        "threads": options.threads,
        "batch_size": options.batch_size,
        "load_average_before": os.getloadavg(),
        "torch": torch.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }
    alone = []
    for attention in options.attention:
        load = partial(load_llm, options.llm, hidden=options.hidden, shape=options.shape)
        model = build_model(load(attention=attention))
        result[attention] = measure(model, options.batch_size, options.pairs)
        before = LongPrompt(load(attention="sdpa"), options.batch_size)
        result[attention] |= before.compare(model, options.pairs)
        alone.append(LanguageModelAlone(model, random_features(model, options.batch_size)))
    if len(alone) == 2:
        first, second = (llm.forward_backward for llm in alone)
        name = "{}_against_{}_forward_backward".format(*options.attention)
        result[name] = compare(first, second, options.batch_size, options.pairs)
    result["load_average_after"] = os.getloadavg()
    text = json.dumps(result, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def measure(model: SensorLanguageModel, batch_size: int, pairs: int) -> dict[str, Any]:
    """Measure every ratio on one model."""
    batch = random_features(model, batch_size)
    alone = LanguageModelAlone(model, batch)
    train = training_step(model, batch)
    model.train()
    training = compare(train, alone.forward_backward, batch_size, pairs)
    model.eval()
    score = lambda: model.score(batch)  # noqa: E731
    bare = compare(score, alone.forward, batch_size, pairs)
    each = compare(score, lambda: _score_each(model, batch), batch_size, max(1, pairs // 3))
    return {
        "parameters": sum(p.numel() for p in model.llm.model.parameters()),
        "tokens_per_window": model.tokens_per_window,
        "positions_trained": alone.trained.shape[1],
        "positions_scored": alone.scored.shape[1],
        "tree_nodes": len(model.prompting.answers.tree),
        "training_against_llm_alone": training,
        "scoring_against_bare_forward": bare,
        "scoring_against_each_label": each,
    }


def compare(
    ours: Callable[[], Any], theirs: Callable[[], Any], windows: int, pairs: int
) -> dict[str, float]:
    """Time two functions in turn; the ratio is above 1 where `ours` is faster."""
    ours(), theirs()
    times: list[tuple[float, float]] = []
    for i in range(pairs):
        first, second = (ours, theirs) if i % 2 else (theirs, ours)
        spent = _seconds(first), _seconds(second)
        times.append(spent if i % 2 else spent[::-1])
    return {
        "ratio": round(statistics.median(b / a for a, b in times), 3),
        "windows_per_s": round(windows / statistics.median(a for a, _ in times), 1),
        "baseline_windows_per_s": round(windows / statistics.median(b for _, b in times), 1),
    }


def _seconds(run: Callable[[], Any]) -> float:
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    run()
    return clock() - start


class LanguageModelAlone:
    """Run the LLM alone on as many positions as are run for the adapter's windows."""

    def __init__(self, model: SensorLanguageModel, batch: FeatureBatch) -> None:
        self.llm = model.llm.model
        self.tree, width, dtype = model.prompting.answers.tree, model.llm.width, model.llm.dtype
        with torch.no_grad():
            used = model.build.for_batch(batch).vectors.shape[1]
        trained = model.build.for_batch(batch).vectors.shape[1]
        self.trained, self.scored = (
            torch.randn(len(batch), prompt + len(self.tree), width, dtype=dtype) * 0.1
            for prompt in (trained, used)
        )
        # Training compares all labels, as scoring does: the same places behind the prompt.
        self.targets = torch.zeros(len(batch) * (len(self.tree) + 1), dtype=torch.long)
        self.places = torch.arange(-len(self.tree) - 1, 0)

    def forward_backward(self) -> None:
        """Compute a loss of the tree's tokens and its gradient to the inputs."""
        inputs = self.trained.clone().requires_grad_(True)
        places = self.places + inputs.shape[1]
        logits = self.llm(inputs_embeds=inputs, use_cache=False, logits_to_keep=places).logits
        functional.cross_entropy(logits.float().flatten(0, 1), self.targets).backward()

    def forward(self) -> None:
        """Compute the logits at the prompt's last position and behind it."""
        with torch.no_grad():
            places = self.places + self.scored.shape[1]
            self.llm(inputs_embeds=self.scored, use_cache=False, logits_to_keep=places)


class LongPrompt:
    """Train and score as release 0.1 did."""

    def __init__(self, llm: FrozenLLM, batch_size: int) -> None:
        template = PromptTemplate.load("activity")
        forms = {"encoded": {"user": "{{ soft }}{{ signal }}\nActivity?"}}
        self.model = build_model(llm, 8, 8, replace(template, forms=forms))
        self.batch = random_features(self.model, batch_size)

    def score(self) -> None:
        """Score all labels behind the cached text; the soft prompt is run."""
        model, (ids,) = self.model, self.model.prompting.shared.rows.ids.tolist()
        with torch.no_grad():
            signal = model.adapter.signal_vectors(self.batch)
            prompt = assemble(
                model.llm,
                model.prompting.shared.rows,
                model.adapter.soft_vectors(),
                signal,
                batch=len(self.batch),
                prefix=self.prefix(tuple(ids)),
            )
            score_tree(model.llm, prompt, model.prompting.answers.tree).softmax(-1)

    @cache  # noqa: B019 (one object a run)
    def prefix(self, ids: tuple[int, ...]) -> Prefix | None:
        """Compute what stands before the soft prompt, once."""
        return compute_prefix(self.model.llm, ids)

    def compare(self, model: SensorLanguageModel, pairs: int) -> dict[str, Any]:
        """Time a model's training and scoring against this one's."""
        batch = random_features(model, len(self.batch))
        model.train(), self.model.train()
        ours, theirs = training_step(model, batch), training_step(self.model, self.batch)
        training = compare(ours, theirs, len(batch), pairs)
        model.eval(), self.model.eval()
        scoring = compare(lambda: model.score(batch), self.score, len(batch), pairs)
        return {
            "training_against_long_prompt": training,
            "scoring_against_long_prompt": scoring,
        }


def training_step(model: SensorLanguageModel, batch: FeatureBatch) -> Callable[[], None]:
    """Give what makes one step of the optimiser."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)

    def step() -> None:
        loss = model(batch)
        (loss.total / loss.weight).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def _score_each(model: SensorLanguageModel, batch: FeatureBatch) -> None:
    with torch.no_grad():
        prompt = model.build.for_batch(batch, prefix=False)
        score_each(model.llm, prompt, model.prompting.answers.ids).softmax(-1)


def random_features(model: SensorLanguageModel, batch_size: int) -> FeatureBatch:
    """Draw cached features of a batch."""
    encoder = model.adapter.encoder
    assert encoder is not None
    modalities = len(encoder.spec.modalities)
    steps = torch.randn(batch_size, modalities, encoder.config.pooled_steps, encoder.width)
    labels = torch.arange(batch_size) % len(model.adapter.label_names)
    return FeatureBatch(labels, steps, torch.ones(batch_size, modalities, dtype=torch.bool))


def build_model(
    llm: FrozenLLM,
    soft: int | None = None,
    signal: int | None = None,
    template: PromptTemplate | None = None,
    labels: tuple[str, ...] = LABELS,
    spec: SignalSpec | None = None,
) -> SensorLanguageModel:
    """Build the adapter of a UCI HAR run: three modalities of three channels.

    Args:
        llm: the frozen LLM.
        soft: P; the default's where None.
        signal: K; the default's where None.
        template: `activity` where None.
        labels: what it chooses from.
        spec: of another run.
    """
    modalities = tuple(
        Modality(
            name=name,
            channels=tuple(Channel(name=axis, unit="g") for axis in "xyz"),
            steps=128,
            rate_hz=50.0,
        )
        for name in ("total_acc", "body_acc", "gyro")
    )
    spec = spec or SignalSpec(modalities=modalities)
    encoder = SignalEncoder(spec, EncoderConfig()).requires_grad_(False)
    config, learned = ProjectorConfig(), SoftPromptConfig()
    config = replace(config, tokens=signal or config.tokens)
    learned = replace(learned, tokens=soft or learned.tokens)
    adapter = SensorAdapter(
        data=AdapterData(spec=spec, label_names=labels),
        prompt=AdapterPrompt(template=template or PromptTemplate.load("activity")),
        llm=LLMReference(name=llm.name, identity=llm.identity),
        bridge=Bridge(
            encoder=encoder,
            projector=build_projector(config, encoder, llm.width, llm.embedding_std),
            projector_config=config,
        ),
        tuning=LLMTuning(soft_prompt=SoftPrompt.start(learned, llm)),
    )
    return SensorLanguageModel(adapter, llm, objective=Recipe().objective)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llm", help="folder of an LLM; default: random weights")
    parser.add_argument("--hidden", type=int, default=256, help="width of the random LLM")
    parser.add_argument("--shape", default="bundled", choices=["bundled", "smollm2"])
    parser.add_argument(
        "--attention", nargs="+", default=["auto"], choices=["auto", "sdpa", "eager"]
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--pairs", type=int, default=9, help="alternating measurements")
    parser.add_argument("--out", type=Path, help="JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
