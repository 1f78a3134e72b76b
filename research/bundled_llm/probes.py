"""What the bundled model can do, against chance: one probe a skill, for any model with a chat.

results = {name: run(model, tokenizer, "cpu") for name, run in PROBES.items()}
results["copy_number"]  # {"share": 0.97, "chance": 0.0011, "n": 300}
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from research.bundled_llm import probe_items
from research.bundled_llm.likelihood import log_likelihoods
from research.bundled_llm.minimal_pairs import minimal_pairs
from research.bundled_llm.probe_items import Item
from sensor2llm.errors import ModelError

ANSWER_TOKENS = 24
TURN_TOKENS = 192
"""New tokens within which an answer has to end by itself."""
BATCH_SIZE = 32
EXAMPLES = 3
"""Wrong answers that a result shows."""

Result = dict[str, Any]
Run = Callable[[Any, Any, str], Result]


@dataclass(frozen=True, kw_only=True)
class ProbeAnswer:
    """What the model wrote, and whether it ended its turn by itself."""

    text: str
    ended: bool


@torch.inference_mode()
def answers(
    model: Any, tokenizer: Any, prompts: Sequence[str], device: str = "cpu", new_tokens: int = 24
) -> list[ProbeAnswer]:
    """Answer questions in the model's chat template: greedily, in batches padded on the left.

    Raises:
        ModelError: If the tokenizer has no chat template.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise ModelError("the probes ask in a chat: this tokenizer has no chat template")
    order = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
    done: dict[int, ProbeAnswer] = {}
    for start in range(0, len(order), BATCH_SIZE):
        batch = order[start : start + BATCH_SIZE]
        written = _generate(model, tokenizer, [prompts[at] for at in batch], device, new_tokens)
        done.update(zip(batch, written, strict=True))
    return [done[at] for at in range(len(prompts))]


def _generate(
    model: Any, tokenizer: Any, prompts: list[str], device: str, new_tokens: int
) -> list[ProbeAnswer]:
    texts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
        )
        for prompt in prompts
    ]
    ends = _end_ids(model, tokenizer)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else ends[0]
    ids, mask = _pad_left([tokenizer(t, add_special_tokens=False)["input_ids"] for t in texts], pad)
    out = model.generate(
        input_ids=ids.to(device), attention_mask=mask.to(device), max_new_tokens=new_tokens,
        do_sample=False, eos_token_id=ends, pad_token_id=pad,
    )  # fmt: skip
    rows = out[:, ids.shape[1] :].tolist()
    return [
        ProbeAnswer(
            text=tokenizer.decode(row, skip_special_tokens=True).strip(),
            ended=any(token in ends for token in row),
        )
        for row in rows
    ]


def _pad_left(rows: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad to one length in front; returns ids and attention mask, (batch, token) both."""
    length = max(map(len, rows))
    ids = torch.tensor([[pad] * (length - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def _end_ids(model: Any, tokenizer: Any) -> list[int]:
    """Collect the ids that end a turn, from the generation config or else the tokenizer."""
    configured = model.generation_config.eos_token_id
    if configured is None:
        configured = tokenizer.eos_token_id
    return [configured] if isinstance(configured, int) else list(configured)


def first_number(text: str) -> str:
    """Give the first number in a text, spaced digits closed up; empty if there is none.

    >>> first_number("It is 4 8 0 , not 12")
    '480'
    """
    closed = re.sub(r"(?<=\d) (?=\d)", "", text)
    found = re.search(r"\d+", closed)
    return found[0] if found else ""


def chosen(text: str, options: Sequence[str]) -> str:
    """Give the one option that a text names; empty if it names none or several.

    An option inside a longer one that is named too ("walking" in "walking upstairs") is not meant.
    """
    text = text.lower()
    named = [o for o in options if re.search(rf"\b{re.escape(o.lower())}\b", text)]
    meant = [o for o in named if not any(o != p and o.lower() in p.lower() for p in named)]
    return meant[0] if len(meant) == 1 else ""


def _result(right: Sequence[bool], chance: float) -> Result:
    return {"share": sum(right) / len(right), "chance": chance, "n": len(right)}


def _ask(items: list[Item], read: Callable[[Item, str], str], chance: float) -> Run:
    def run(model: Any, tokenizer: Any, device: str = "cpu") -> Result:
        prompts = [item.prompt for item in items]
        texts = [a.text for a in answers(model, tokenizer, prompts, device, ANSWER_TOKENS)]
        right = [read(item, text) == item.answer for item, text in zip(items, texts, strict=True)]
        wrong = [
            {"prompt": item.prompt, "answer": text, "right": item.answer}
            for item, text, good in zip(items, texts, right, strict=True)
            if not good
        ]
        return {**_result(right, chance), "wrong": wrong[:EXAMPLES]}

    return run


def _numbers(items: list[Item], chance: float) -> Run:
    return _ask(items, lambda _, text: first_number(text), chance)


def _choices(items: list[Item]) -> Run:
    chance = sum(1 / len(item.options) for item in items) / len(items)
    return _ask(items, lambda item, text: chosen(text, item.options), chance)


def ends_its_turn(model: Any, tokenizer: Any, device: str = "cpu") -> Result:
    """Give the share of answers to everyday questions that end within `TURN_TOKENS` tokens."""
    questions = probe_items.everyday_questions()
    written = answers(model, tokenizer, questions, device, TURN_TOKENS)
    return _result([answer.ended for answer in written], 0.0)


def says_unknown(model: Any, tokenizer: Any, device: str = "cpu") -> Result:
    """Give the share of questions without an answer in their prompt that are left open."""
    prompts = probe_items.UNKNOWN_WORDINGS
    written = answers(model, tokenizer, prompts, device, ANSWER_TOKENS)
    return _result(["know" in answer.text.lower() for answer in written], 0.0)


def prefers_grammatical(model: Any, tokenizer: Any, device: str = "cpu") -> Result:
    """Give the share of minimal pairs whose grammatical sentence is the more likely one.

    The likelihood is the sum over the sentence's tokens; `phenomena` holds the share of each.
    """
    pairs = minimal_pairs()
    sentences = [sentence for pair in pairs for sentence in (pair.good, pair.bad)]
    scores = log_likelihoods(model, tokenizer, sentences, device)
    right = [good > bad for good, bad in zip(scores[::2], scores[1::2], strict=True)]
    by_phenomenon: dict[str, list[bool]] = defaultdict(list)
    for pair, good in zip(pairs, right, strict=True):
        by_phenomenon[pair.phenomenon].append(good)
    phenomena = {name: sum(rows) / len(rows) for name, rows in by_phenomenon.items()}
    return {**_result(right, 0.5), "phenomena": phenomena}


PROBES: dict[str, Run] = {
    "label_picking": _choices(probe_items.label_items()),
    "label_from_description": _choices(probe_items.description_items()),
    "copy_number": _numbers(probe_items.copy_items(spaced=False), 1 / 900),
    "copy_number_spaced": _numbers(probe_items.copy_items(spaced=True), 1 / 900),
    "compare_numbers": _numbers(probe_items.compare_items(spaced=False), 1 / 2),
    "compare_numbers_spaced": _numbers(probe_items.compare_items(spaced=True), 1 / 2),
    "compare_yes_no": _choices(probe_items.yes_no_items()),
    "continue_list": _numbers(probe_items.continue_items(spaced=False), 1 / 100),
    "continue_list_spaced": _numbers(probe_items.continue_items(spaced=True), 1 / 100),
    "ends_its_turn": ends_its_turn,
    "says_unknown": says_unknown,
    "minimal_pairs": prefers_grammatical,
}
