"""Every family of language models: what it says through shortcuts against plain forwards.

    python -m benchmarks.robustness.llm_families

A row is a small model with random weights (`llm_zoo`), loaded from its folder as any
other and run through the product: an encoder's vectors and numbers as text, four windows at a time.
Beside it stand forwards of one row and one answer each, without a cache, a mask or padding, over
input embeddings put together here, or over plain token ids. A row is right where no label's score
is further off than `WITHIN` nats, texts of both ways to generate are those of the likeliest tokens,
the model's tensors hash as before, and nothing stands on stderr; or it is refused in one line. A
row that is neither ends the run with exit code 1.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
import traceback
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.machine import record
from benchmarks.robustness.llm_family_table import WITHIN, Check, cells, table
from benchmarks.robustness.llm_layouts import FAMILIES, LAYOUTS, PromptLayout
from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.builders import build_projector
from sensor2llm.adapter.parts import AdapterData, AdapterPrompt, Bridge, LLMReference, LLMTuning
from sensor2llm.adapter.signal_text import SignalText
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import UserError, run_verb
from sensor2llm.llm.checks.shortcuts import Shortcuts
from sensor2llm.llm.config import SoftPromptConfig
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.generation import stop_ids
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.llm.tuning.soft_prompt import SoftPrompt
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.window import Window
from sensor2llm.training.record import write_json

RESULTS = Path(__file__).resolve().parents[1] / "results" / "llm_families"
WINDOWS, NEW_TOKENS = 4, 6
LABELS = ("rest", "walk", "walk upstairs", "walk downstairs")
SYSTEM = "Be short."
TEMPLATE = PromptTemplate(
    name="families",
    version=1,
    task="classification",
    description="Which activity is it?",
    variables={name: name for name in ("soft", "signal", "numbers")},
    forms={
        "encoded": {"system": SYSTEM,
                    "user": "Choose walking or sitting.\n{{ soft }}{{ signal }}\nWhich activity?"},
        "zero": {"system": SYSTEM, "user": "Activity?\n{{ numbers }}\nWhich is it?"},
    },
)  # fmt: skip


def _modality(name: str, channels: str) -> Modality:
    parts = tuple(Channel(name=channel, unit="g") for channel in channels)
    return Modality(name=name, channels=parts, steps=16, rate_hz=8.0)


SPEC = SignalSpec(modalities=(_modality("wrist", "xyz"), _modality("hip", "u")), window_s=2.0)


def make_windows() -> list[Window]:
    """Give windows of which some lack a modality, so that their texts differ in length."""
    generator = torch.Generator().manual_seed(0)
    windows = []
    for i in range(WINDOWS):
        names = SPEC.names if i % 2 else SPEC.names[:1]
        signals = {
            m.name: torch.randn(m.shape, generator=generator).double().numpy() * 10 ** (i % 3)
            for m in SPEC.modalities
            if m.name in names
        }
        windows.append(Window(signals, subject="s1", label=LABELS[i], start_s=float(i)))
    return windows


def make_model(llm: FrozenLLM, encoded: bool) -> SensorLanguageModel:
    """Put an adapter of random weights before an LLM: an encoder's vectors, or numbers as text."""
    torch.manual_seed(0)
    text, bridge, tuning = SignalText(form="fixed", steps=2), Bridge(), LLMTuning()
    if encoded:
        encoder = SignalEncoder(SPEC, EncoderConfig(width=8, pooled_steps=4)).requires_grad_(False)
        config = ProjectorConfig(tokens=2, hidden=16)
        bridge = Bridge(
            encoder=encoder,
            projector=build_projector(config, encoder, llm.width, llm.embedding_std),
            projector_config=config,
        )
        tuning = LLMTuning(soft_prompt=SoftPrompt.start(SoftPromptConfig(tokens=3), llm))
    adapter = SensorAdapter(
        data=AdapterData(spec=SPEC, label_names=LABELS, signal_text=text),
        prompt=AdapterPrompt(template=TEMPLATE, form="encoded" if encoded else "zero"),
        llm=LLMReference(name=llm.name, identity=""),
        bridge=bridge,
        tuning=tuning,
    )
    return SensorLanguageModel(adapter, llm, check=False).eval()


class PlainForwards:
    """Compute one row at a time, from token ids and the vectors that stand among them.

    Args:
        model: an adapter on an LLM.
        window: what is asked about.
    """

    def __init__(self, model: SensorLanguageModel, window: Window) -> None:
        self.model, self.llm = model, model.llm
        features = model.features([window])
        text = features.texts[0] if features.texts else None
        self.text = model.prompting.text(signal=text)
        self.ids = self.llm.encode(self.text)
        self.vectors: list[Tensor] = []
        if features.texts is None:
            with torch.no_grad():
                signal = model.adapter.media(features)
            self.vectors = [*model.adapter.soft_vectors(), *signal[0]]

    @torch.no_grad()
    def logits(self, after: list[int]) -> Tensor:
        """Give the logits of every position of the prompt and what follows it."""
        llm, ids = self.llm.model, torch.tensor([[*self.ids, *after]])
        if not self.vectors:
            whole = torch.ones_like(ids)
            return llm(input_ids=ids, attention_mask=whole, use_cache=False).logits[0].float()
        slots = [i for i, t in enumerate(self.ids) if t in (self.llm.soft_id, self.llm.signal_id)]
        ids[0, slots] = self.llm.pad_id
        embedded = llm.get_input_embeddings()(ids)
        for place, vector in zip(slots, self.vectors, strict=True):
            embedded[0, place] = vector
        more = {}
        if getattr(llm.config, "hidden_size_per_layer_input", 0):
            more["per_layer_inputs"] = llm.get_decoder().get_per_layer_inputs(ids)
        return llm(inputs_embeds=embedded, use_cache=False, **more).logits[0].float()

    def score(self, answer: tuple[int, ...]) -> float:
        """Give an answer's log-likelihood."""
        logits = self.logits(list(answer)).log_softmax(-1)
        return float(sum(logits[len(self.ids) - 1 + i, t] for i, t in enumerate(answer)))

    def say(self) -> str:
        """Give the text of the likeliest tokens."""
        ids: list[int] = []
        while len(ids) < NEW_TOKENS:
            logits = self.logits(ids)[-1]
            logits[self.llm.suppressed_ids] = -torch.inf
            token = int(logits.argmax())
            if token in stop_ids(self.llm):
                break
            ids.append(token)
        return str(self.llm.tokenizer.decode(ids, skip_special_tokens=True)).strip()


def run_checks(layout: PromptLayout, folder: Path) -> Check:
    """Build a row's folder and compare what is said through the product with plain forwards."""
    check, started = Check(layout.name), time.perf_counter()
    torch.manual_seed(0)
    with warnings.catch_warnings(), _stderr_to(folder.parent / "notes"):
        warnings.simplefilter("ignore")
        layout.build(folder)
    notes = folder.parent / "notes"
    try:
        with _stderr_to(notes):
            _compare(FrozenLLM.load(str(folder), dtype="float32", device="cpu"), check)
    except UserError as error:
        check.refused = str(error).replace(str(folder), folder.name)
    except Exception as error:
        check.failed = f"{type(error).__name__}: {error}"[:200]
        traceback.print_exc()
    check.notes = notes.read_text(encoding="utf-8").splitlines()
    check.seconds = round(time.perf_counter() - started, 2)
    return check


def _compare(llm: FrozenLLM, check: Check) -> None:
    before, windows = llm.fingerprint(), make_windows()
    equal, system, lengths = [], [], []
    for encoded in (True, False):
        model = make_model(llm, encoded)
        plain = [PlainForwards(model, window) for window in windows]
        answers = model.prompting.answers.ids
        with torch.no_grad():
            together = model.log_likelihoods(windows)
            alone = torch.cat([model.log_likelihoods([window]) for window in windows])
        expected = torch.tensor([[row.score(answer) for answer in answers] for row in plain])
        off = float((together - expected).abs().max())
        if encoded:
            check.encoded = off
        else:
            check.text, check.padded = off, float((together - alone).abs().max())
            lengths = [len(row.ids) for row in plain]
            assert len(set(lengths)) > 1, "texts of one length show nothing about padding"
        texts = [row.say() for row in plain]
        equal += [texts == model.generate(windows, max_new_tokens=NEW_TOKENS)]
        system += [SYSTEM in row.text and "<think>" not in row.text[-12:] for row in plain]
    check.texts_equal, check.system_read = all(equal), all(system)
    check.frozen = llm.fingerprint() == before
    check.positions, check.window = max(lengths), llm.runner.window
    able = llm.shortcuts(check.positions)
    check.shortcuts = {name: bool(getattr(able, name)) for name in vars(Shortcuts())}


@contextmanager
def _stderr_to(path: Path) -> Any:
    """Let everything that is written to stderr go to a file, whoever writes it."""
    sys.stderr.flush()
    before = os.dup(2)
    try:
        with path.open("wb") as stream:
            os.dup2(stream.fileno(), 2)
            yield
            sys.stderr.flush()
    finally:
        os.dup2(before, 2)
        os.close(before)


def main() -> int:
    """Run the rows, write JSON and Markdown, and say how many are wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", help="names of rows; all where not given")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    # What goes without a shortcut stands in the table.
    logging.getLogger("sensor2llm").setLevel(logging.WARNING)
    started, checks = os.getloadavg(), []
    for layout in (*FAMILIES, *LAYOUTS):
        if options.only and layout.name not in options.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            check = run_checks(layout, Path(folder) / layout.family)
            traces = list(Path(folder).rglob("was_run"))
        if traces:
            check.failed = "the folder's own code was run"
        checks.append(check)
        print(" | ".join(cells(check)), *check.notes[:2], flush=True)
    rows = [vars(check) | {"verdict": check.verdict} for check in checks]
    figures = {"within": WITHIN, "rows": rows}
    result = record("robustness.llm_families", figures, started)
    options.results.mkdir(parents=True, exist_ok=True)
    write_json(options.results / "results.json", result)
    (options.results / "table.md").write_text(table(checks, result["command"]), encoding="utf-8")
    wrong = [check.name for check in checks if check.verdict == "WRONG"]
    print(f"{len(checks)} rows, {len(wrong)} wrong: {', '.join(wrong) or 'none'}")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
