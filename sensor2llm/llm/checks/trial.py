"""Try an LLM's shortcuts against its plain forward, each when it is first wanted.

What is tried is the code that scores and generates, on two prompts of random tokens that begin
alike; a vector stands among them that is no token's. 16-bit weights are computed in float32 for
it, a layer at a time: rounding moves a score of a large model by more than many a wrong mask.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product

import torch
from torch import Tensor

from sensor2llm.bridge.slots import PaddedRows
from sensor2llm.errors import ModelError
from sensor2llm.llm.checkpoint import quiet
from sensor2llm.llm.checks.precision import in_float32
from sensor2llm.llm.checks.shortcuts import Shortcuts
from sensor2llm.llm.forward import (
    Prefix,
    Prompt,
    assemble,
    prompt_rows,
    rows_after,
    tail_logits,
)
from sensor2llm.llm.generation import DecodingSteps, run_transformers
from sensor2llm.llm.label_tree import LabelTree
from sensor2llm.llm.language_model import LanguageModel
from sensor2llm.llm.prefix import compute_prefix
from sensor2llm.llm.scoring import score_each, score_tree

# Tokens behind a prompt: an answer of two, and one of one.
TAIL = 3
# Of a score in nats; of a logit, where a recurrent state is computed in two ways; and of either
# in what is not float32 even here (8 and 4 bits).
WITHIN, WITHIN_STEPS, WITHIN_ROUNDED = 1e-4, 1e-3, 0.5
# Of three rows that begin alike, two of one length, and two of which one is padded.
EVEN, UNEVEN = (0, 1), (0, 2)

Layout = Callable[[Sequence[int]], Prompt]

logger = logging.getLogger(__name__)


class Trial:
    """Say as `Shortcuts` does which ones change nothing, by trying them.

    Args:
        llm: whose shortcuts they are.
        length: positions of the longer prompt with its answer.
    """

    def __init__(self, llm: LanguageModel, length: int) -> None:
        # Everything is taken while one of them is tried.
        self.llm, self.length = llm.with_shortcuts(Shortcuts()), length
        generator = torch.Generator().manual_seed(0)
        long = max(length - TAIL, 2)
        ids = torch.randint(llm.vocabulary, (4 * long + TAIL,), generator=generator).tolist()
        self.head, rest = ids[: long // 2], long - long // 2
        lengths = (rest, rest, max(1, rest * 3 // 4))
        self.rows = [[*self.head, *ids[i * long : i * long + n]] for i, n in enumerate(lengths, 1)]
        first, second, third = ids[-TAIL:]
        other = third if third != first else (first + 1) % llm.vocabulary
        end = llm.end_of_turn_id
        self.answers = [[first, second, end], [other, end]]
        self._alone: dict[tuple[int, int], Tensor] = {}
        self.labels = LabelTree.build([answer[:-1] for answer in self.answers], end)

    @cached_property
    def prefix(self) -> bool:
        """Say whether keys and values of what precedes the first slot can be computed once."""
        if self.llm.runner.recurrent or not self.llm.runner.takes_cache:
            return False
        return self._holds("a cached prefix", lambda: self._off(self._cached, EVEN))

    @cached_property
    def padding(self) -> bool:
        """Say whether rows of different length can share a forward."""
        # A state takes padding for text.
        if self.llm.runner.recurrent:
            return False
        return self._holds("padded rows", lambda: self._off(self._plain, UNEVEN))

    @cached_property
    def padded_prefix(self) -> bool:
        """Say whether they can behind a cached prefix; padding there takes up a window's places."""
        if not (self.prefix and self.padding) or self._exceeds_window:
            return False
        return self._holds("padding behind a prefix", lambda: self._off(self._cached, UNEVEN))

    @cached_property
    def tree(self) -> bool:
        """Say whether all labels can be scored in one forward, on rows of one length."""
        # Its mask is the same in every layer, and knows no window; a state knows no mask.
        if self._exceeds_window or self.llm.runner.recurrent:
            return False
        build = self._cached if self.prefix else self._plain
        return self._holds("a label tree", lambda: self._tree_off(build, EVEN))

    @cached_property
    def padded_tree(self) -> bool:
        """Say whether they can on rows of different length."""
        if not (self.tree and (self.padded_prefix or self.padding)):
            return False
        build = self._cached if self.padded_prefix else self._plain
        return self._holds("a label tree of padded rows", lambda: self._tree_off(build, UNEVEN))

    @cached_property
    def steps(self) -> bool:
        """Say whether a token that follows can be run on a cache of what came before."""
        if not self.llm.runner.takes_cache:
            return False
        rows = UNEVEN if self.padding else EVEN
        return self._holds("a cache of what is said", lambda: self._steps_off(rows), WITHIN_STEPS)

    @cached_property
    def generate(self) -> bool:
        """Say whether transformers' `generate` computes what the plain forward computes."""
        # It gives layers that embed tokens themselves nothing to embed.
        if self.llm.runner.embeds_by_layer:
            return False
        rows = UNEVEN if self.padding else EVEN
        return self._holds("transformers' generate", lambda: self._generate_off(rows), WITHIN_STEPS)

    @property
    def _exceeds_window(self) -> bool:
        return self.llm.runner.window is not None and self.length > self.llm.runner.window

    def _plain(self, rows: Sequence[int]) -> Prompt:
        return self._assemble(prompt_rows(self.llm, [self.rows[row] for row in rows]), None)

    def _cached(self, rows: Sequence[int]) -> Prompt:
        prefix = compute_prefix(self.llm, [*self.head, self.llm.pad_id])
        if prefix is None:
            raise ModelError("no text to cache at this length")
        padded = rows_after(self.llm, [self.rows[row] for row in rows], prefix)
        return self._assemble(padded, prefix)

    def _assemble(self, rows: PaddedRows, prefix: Prefix | None) -> Prompt:
        """Assemble prompts in which a vector stands that is no token's."""
        prompt = assemble(self.llm, rows, None, None, batch=len(rows.ids), prefix=prefix)
        scale = torch.ones_like(prompt.vectors)
        scale[:, -1] = 1.5
        return replace(prompt, vectors=prompt.vectors * scale)

    def _expected(self, rows: Sequence[int], answers: int) -> Tensor:
        """Score answers by a forward over each row alone, nothing cached or padded."""
        for row, answer in product(rows, range(answers)):
            if (row, answer) not in self._alone:
                scores = score_each(self.llm, self._plain([row]), [self.answers[answer]])
                self._alone[row, answer] = scores[0, 0]
        return torch.stack(
            [torch.stack([self._alone[row, i] for i in range(answers)]) for row in rows]
        )

    def _off(self, build: Layout, rows: Sequence[int]) -> float:
        """Say how far an answer's score on this layout is from the plain one."""
        scores = score_each(self.llm, build(rows), self.answers[:1])
        return float((scores - self._expected(rows, 1)).abs().max())

    def _tree_off(self, build: Layout, rows: Sequence[int]) -> float:
        scores = score_tree(self.llm, build(rows), self.labels)
        return float((scores - self._expected(rows, 2)).abs().max())

    def _steps_off(self, rows: Sequence[int]) -> float:
        """Say how far logits of one token after the other are from those of a whole forward."""
        prompt = self._plain(rows)
        tokens = torch.tensor([self.answers[0][:-1]], device=self.llm.device)
        steps, logits = DecodingSteps(self.llm, prompt), []
        for token in (*tokens[0], None):
            logits.append(steps.logits())
            if token is not None:
                steps.append(token.expand(len(prompt)))
        return self._logits_off(prompt, tokens, logits)

    def _generate_off(self, rows: Sequence[int]) -> float:
        """Say how far the logits of transformers' `generate` are from those of a whole forward."""
        prompt = self._plain(rows)
        new = TAIL - 1
        output = run_transformers(self.llm, prompt, new, output_logits=True, min_new_tokens=new)
        if not len(output.logits) == output.sequences.shape[1] == new:
            return torch.inf  # some take what stands before for tokens of the answer
        return self._logits_off(prompt, output.sequences[:, :-1], output.logits)

    def _logits_off(self, prompt: Prompt, tokens: Tensor, logits: Sequence[Tensor]) -> float:
        expected = tail_logits(self.llm, prompt, tokens).float()
        output = torch.stack(list(logits), dim=1).float()
        # What is no token is never said.
        tokens_only = ~output.isneginf()
        return float((output - expected[:, : len(logits)])[tokens_only].abs().max())

    @torch.no_grad()
    def _holds(self, shortcut: str, measure: Callable[[], float], within: float = WITHIN) -> bool:
        with quiet():
            try:
                with in_float32(self.llm.model) as exact:
                    off, within = measure(), within if exact else WITHIN_ROUNDED
            except Exception as error:
                # Whatever a family raises means the same: not this way.
                logger.info("%s goes without %s", self.llm.name, shortcut)
                logger.debug("%s", error)
                return False
        if not off <= within:
            logger.info("%s goes without %s: %.2g nats off", self.llm.name, shortcut, off)
        return off <= within
