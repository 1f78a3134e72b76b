"""Measure what the adapter costs beside the frozen LLM itself, as ratios within one run.

    python -m benchmarks.speed.adapter_speed --threads 1     random weights, bundled size
    python -m benchmarks.speed.adapter_speed --llm FOLDER --attention eager sdpa

- `training`: windows/s of one training step (projector, slots, loss, optimiser; cached features)
  over the LLM's own forward and backward, with gradients to its inputs, on as many positions.
- with two attention implementations, the first's forward and backward against the second's.
- `scoring`: windows/s of scoring all labels over the last two, against the LLM's bare forward on
  as many positions (prompt and tree nodes), and against scoring each label alone.

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
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.adapter.builders import build_projector
from sensor2llm.adapter.parts import AdapterData, AdapterPrompt, Bridge, LLMReference, LLMTuning
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.llm.config import SoftPromptConfig
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.scoring import score_each
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.llm.tuning.soft_prompt import SoftPrompt
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.spec import Channel, Modality, SignalSpec

LABELS = ("walking", "walking upstairs", "walking downstairs", "sitting", "standing", "lying")


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
        model = build_model(load_llm(options.llm, attention, options.hidden))
        result[attention] = measure(model, options.batch_size, options.pairs)
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
    train = _training_step(model, batch)
    model.train()
    training = compare(train, alone.forward_backward, batch_size, pairs)
    model.eval()
    score = lambda: model.score(batch)  # noqa: E731
    bare = compare(score, alone.forward, batch_size, pairs)
    each = compare(score, lambda: _score_each(model, batch), batch_size, max(3, pairs // 3))
    return {
        "parameters": sum(p.numel() for p in model.llm.model.parameters()),
        "tokens_per_window": model.tokens_per_window,
        "prefix": alone.prefix,
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
    """Run the LLM alone on as many positions as the adapter's windows take, prefix counted."""

    def __init__(self, model: SensorLanguageModel, batch: FeatureBatch) -> None:
        self.llm = model.llm.model
        answers = model.prompting.answers
        prompt = model.prompting.shared.rows.ids.shape[1]
        self.prefix = getattr(model.prompting.shared.prefix, "length", 0)
        longest = answers.table.shape[1]
        width, dtype = model.llm.width, model.llm.dtype
        # An answer's last token is predicted and never fed, so it is no position.
        self.trained = torch.randn(len(batch), prompt + longest - 1, width, dtype=dtype) * 0.1
        self.scored = torch.randn(len(batch), prompt + len(answers.tree), width, dtype=dtype) * 0.1
        self.targets = answers.table[batch.labels].flatten()
        self.answer = torch.arange(longest) + prompt - 1
        self.places = torch.arange(len(answers.tree) + 1) + prompt - 1

    def forward_backward(self) -> None:
        """Compute the answers' loss and its gradient to the inputs."""
        inputs = self.trained.clone().requires_grad_(True)
        logits = self.llm(inputs_embeds=inputs, use_cache=False, logits_to_keep=self.answer).logits
        functional.cross_entropy(logits.float().flatten(0, 1), self.targets).backward()

    def forward(self) -> None:
        """Compute the logits at the prompt's last position and behind it."""
        with torch.no_grad():
            self.llm(inputs_embeds=self.scored, use_cache=False, logits_to_keep=self.places)


def _training_step(model: SensorLanguageModel, batch: FeatureBatch) -> Callable[[], None]:
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
    labels = torch.arange(batch_size) % len(LABELS)
    return FeatureBatch(labels, steps, torch.ones(batch_size, modalities, dtype=torch.bool))


def build_model(llm: FrozenLLM) -> SensorLanguageModel:
    """Build the adapter of a UCI HAR run: three modalities of three channels, K = 8, P = 8."""
    modalities = tuple(
        Modality(
            name=name,
            channels=tuple(Channel(name=axis, unit="g") for axis in "xyz"),
            steps=128,
            rate_hz=50.0,
        )
        for name in ("total_acc", "body_acc", "gyro")
    )
    spec = SignalSpec(modalities=modalities)
    encoder = SignalEncoder(spec, EncoderConfig()).requires_grad_(False)
    config = ProjectorConfig()
    adapter = SensorAdapter(
        data=AdapterData(spec=spec, label_names=LABELS),
        prompt=AdapterPrompt(template=PromptTemplate.load("activity")),
        llm=LLMReference(name=llm.name, identity=llm.identity),
        bridge=Bridge(
            encoder=encoder,
            projector=build_projector(config, encoder, llm.width, llm.embedding_std),
            projector_config=config,
        ),
        tuning=LLMTuning(soft_prompt=SoftPrompt.start(SoftPromptConfig(tokens=8), llm)),
    )
    return SensorLanguageModel(adapter, llm)


def load_llm(name: str | None, attention: str, hidden: int) -> FrozenLLM:
    """Load a folder's LLM, or draw a Llama of the bundled one's size that knows these words."""
    if name:
        return FrozenLLM.load(name, attention=attention, device="cpu")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=8000,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<end>"],
    )
    texts = [f"User: Activity?\nAssistant: {label}" for label in LABELS]
    tokenizer.train_from_iterator(texts * 4, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
    config = LlamaConfig(
        hidden_size=hidden,
        intermediate_size=hidden * 8 // 3,
        num_hidden_layers=8,
        num_attention_heads=hidden // 32,
        num_key_value_heads=hidden // 32,
        vocab_size=8192,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM._from_config(config, attn_implementation=attention)
    return FrozenLLM(model, fast, "random", lambda: "random weights")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llm", help="folder of an LLM; default: random weights")
    parser.add_argument("--hidden", type=int, default=256, help="width of the random LLM")
    parser.add_argument("--attention", nargs="+", default=["sdpa"], choices=["sdpa", "eager"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--pairs", type=int, default=9, help="alternating measurements")
    parser.add_argument("--out", type=Path, help="JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
