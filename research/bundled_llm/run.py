"""Pretrain a small Llama: stages of one schedule through the one training loop."""

import logging
import math
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from research.bundled_llm.card import write_record
from research.bundled_llm.config import SIZES, STAGES, ModelShape, PretrainConfig, TrainingStage
from research.bundled_llm.packing import Mixture, TokenFiles
from research.bundled_llm.token_files import prepare_tokens
from research.bundled_llm.tokenizer import load_tokenizer
from sensor2llm.artefacts.atomic_write import replace_folder
from sensor2llm.training.checkpoint import sole_run
from sensor2llm.training.devices import process_state
from sensor2llm.training.loop import FitResult, StepLoss, Validation, fit
from sensor2llm.training.seeding import seeded

logger = logging.getLogger(__name__)
STEPS_AN_EPOCH = 50
LOGIT_ROWS = 1024
"""Positions whose logits are computed at once: the vocabulary is wide, the cache is not."""
HELD_OUT_ROWS = 24
SCORED_DOMAINS = ("simplewiki", "stories", "openstax", "instruct_chat", "sensing_chat")


class LanguageModelling(nn.Module):
    """Next-token loss of a causal language model, summed over tokens."""

    def __init__(self, model: LlamaForCausalLM, compiled: bool = False):
        super().__init__()
        self.model = model
        self.part_loss = _part_loss
        if compiled:  # in place: the weights keep their names
            model.model.compile(dynamic=False)
            self.part_loss = torch.compile(_part_loss, dynamic=False)

    def forward(self, tokens: Tensor, generator: torch.Generator | None = None) -> StepLoss:
        """Give the loss of `tokens` (batch, time + 1)."""
        hidden = self.model.model(tokens[:, :-1], use_cache=False).last_hidden_state
        hidden, targets = hidden.flatten(0, 1), tokens[:, 1:].flatten()
        head = self.model.lm_head.weight
        parts = zip(hidden.split(LOGIT_ROWS), targets.split(LOGIT_ROWS), strict=True)
        losses = [self.part_loss(part, head, target) for part, target in parts]
        return StepLoss(torch.stack(losses).sum(), float(targets.numel()))


def _part_loss(hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    logits = functional.linear(hidden, head).float()
    return functional.cross_entropy(logits, targets, reduction="sum")


class PretrainingTask:
    """One stage: rows of a mixture of domains, validated on held-out text by domain."""

    def __init__(
        self,
        module: LanguageModelling,
        files: TokenFiles,
        stage: TrainingStage,
        rows: int,
        seed: int,
    ):
        self.module = module
        self.files, self.stage, self.rows = files, stage, rows
        self.mixture = Mixture(files, stage.weights, stage.row_tokens, seed)

    def batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """Give the batches of 50 steps as (domain, row) pairs."""
        drawn = self.mixture.draw(epoch * STEPS_AN_EPOCH * self.rows, STEPS_AN_EPOCH * self.rows)
        return list(drawn.reshape(STEPS_AN_EPOCH, self.rows, 2))

    def collate(self, rows: NDArray[np.int64]) -> Tensor:
        """Read rows into tokens (batch, time + 1)."""
        domains, tokens = self.mixture.domains, self.stage.row_tokens
        read = [self.files.read(domains[d], "train", tokens, r) for d, r in rows.tolist()]
        return torch.from_numpy(np.stack(read))

    def validate(self) -> Validation:
        """Give bits per byte by domain; the score is minus that of simple encyclopaedia text."""
        found = {
            f"bits_per_byte/{domain}": held_out_bits(self.module, self.files, domain)
            for domain in SCORED_DOMAINS
            if domain in self.files.domains("held_out")
        }
        logger.info("%s", {k: round(v, 3) for k, v in found.items()})
        return Validation(-next(iter(found.values())), found)


@torch.no_grad()
def held_out_bits(
    module: LanguageModelling, files: TokenFiles, domain: str, rows: int = HELD_OUT_ROWS
) -> float:
    """Give bits per UTF-8 byte on a domain's first held-out rows of 512 tokens."""
    count = min(files.rows(domain, "held_out", 512), rows)
    device = next(module.parameters()).device
    tokens = torch.from_numpy(
        np.stack([files.read(domain, "held_out", 512, r) for r in range(count)])
    )
    loss = sum(float(module(part.to(device)).total) for part in tokens.split(4))
    share = files.counts["held_out"][domain]
    size = count * 512 * share["bytes"] / share["tokens"]
    return loss / math.log(2) / size


def build_model(shape: ModelShape, seed: int, pad: int, begin: int, end: int) -> LlamaForCausalLM:
    """Build an untrained Llama with small, depth-scaled initial weights."""
    with seeded(seed):
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=shape.vocabulary,
                hidden_size=shape.width,
                intermediate_size=shape.feed_forward,
                num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads,
                num_key_value_heads=shape.heads,
                max_position_embeddings=shape.context,
                tie_word_embeddings=True,
                pad_token_id=pad,
                bos_token_id=begin,
                eos_token_id=end,
            )
        )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                parameter.mul_(1 / math.sqrt(2 * shape.layers))
    return model


def pretrain(
    corpus: Path,
    out: Path,
    config: PretrainConfig,
    *,
    resume: bool = False,
    stages: tuple[str, ...] = ("stable", "anneal", "chat", "long", "finish"),
) -> dict[str, Any]:
    """Train through the stages and write the model folder `out/model`.

    Each stage begins with the weights of the one before; a stable stage that was cut short by
    Ctrl-C can be annealed at once with `stages=("anneal", "chat", "long", "finish")`.

    Raises:
        DataError: the corpus cannot be read.
        ArtefactError: a checkpoint is of another configuration, or another process is at it.
    """
    with sole_run(out):
        return _pretrain(corpus, out, config, resume, stages)


def _pretrain(
    corpus: Path, out: Path, config: PretrainConfig, resume: bool, stages: tuple[str, ...]
) -> dict[str, Any]:
    with process_state().main_process_first():
        files = prepare_tokens(corpus, out, config)
    tokenizer = load_tokenizer(out / "tokenizer")
    shape = SIZES[config.size]
    ends = (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
    model = build_model(shape, config.seed, *ends)
    if not torch.cuda.is_available():
        model.set_attn_implementation("eager")  # on CPUs faster in training than sdpa
    module = LanguageModelling(model, config.compile)
    results: dict[str, FitResult] = {}
    for stage in STAGES:
        if stage.name in stages:
            results[stage.name] = _train(module, files, stage, config, out, resume)
        elif (out / stage.name / "checkpoint").is_dir():
            _load_stage(module, out / stage.name)
    if process_state().is_main_process:
        with replace_folder(out / "model") as part:
            write_model(model, out / "tokenizer", part)
            write_record(part, out, config)
    return {name: _summary(result, config) for name, result in results.items()}


def _train(
    module: LanguageModelling,
    files: TokenFiles,
    stage: TrainingStage,
    config: PretrainConfig,
    out: Path,
    resume: bool,
) -> FitResult:
    logger.info("stage %s: rows of %d tokens", stage.name, stage.row_tokens)
    loop = config.loop(stage, process_state().num_processes)
    task = PretrainingTask(module, files, stage, loop.batch_size, loop.seed)
    identity = {"size": config.size, "stage": asdict(stage), "seed": config.seed}
    return fit(task, loop, out / stage.name, resume=resume, identity=identity)


def _load_stage(module: LanguageModelling, folder: Path) -> None:
    weights = load_file(folder / "checkpoint" / "module.safetensors")
    module.load_state_dict(weights, strict=False)
    logger.info("starting from %s", folder)


def _summary(result: FitResult, config: PretrainConfig) -> dict[str, float | str]:
    tokens = result.steps * config.tokens_per_step
    return {
        "steps": result.steps,
        "tokens": tokens,
        "seconds": result.seconds,
        "tokens_per_s": tokens / max(result.seconds, 1e-9),
        "ended": result.ended,
    }


def write_model(model: LlamaForCausalLM, tokenizer: Path, folder: Path) -> None:
    """Write the model folder in bf16, with tokenizer and generation settings."""
    ids = model.config
    model.generation_config = GenerationConfig(
        bos_token_id=ids.bos_token_id,
        eos_token_id=ids.eos_token_id,
        pad_token_id=ids.pad_token_id,
        max_new_tokens=128,
        no_repeat_ngram_size=16,  # a small model that falls into a loop gets out of it
    )
    model.to(torch.bfloat16).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (tokenizer / name).is_file():
            shutil.copy(tokenizer / name, folder / name)
