"""SmolLM2 as we read it says what an independent engine says that reads the same file."""

import json
import subprocess
import sys

import pytest
import torch

from sensor2llm.llm.frozen import FrozenLLM

POSITIONS = 200
QUESTION = "What is atrial fibrillation? Explain in detail."
# In a process of its own: a server that writes to the terminal from C, and never ends by itself.
ENGINE = """
import json, os, sys
import xllamacpp

settings = xllamacpp.CommonParams()
settings.model.path, settings.n_ctx, settings.n_gpu_layers = sys.argv[1], 512, 0
settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = settings.n_parallel = 1
settings.verbosity, settings.port, settings.no_extra_bufts = -1, 0, True
settings.cache_type_k = settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
settings.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
server, ids, tokens = xllamacpp.Server(settings), json.load(sys.stdin), []
for end in range(1, len(ids)):
    request = {"prompt": ids[:end], "n_predict": 1, "max_tokens": 1, "temperature": 0}
    answer = server.handle_completions({**request, "cache_prompt": True, "logprobs": 1})
    choice = answer["choices"][0]["logprobs"]
    tokens.append(choice["content"][0]["id"] if choice else None)
print(json.dumps(tokens), flush=True)
os._exit(0)
"""


@pytest.fixture(scope="module")
def llm(smollm2) -> FrozenLLM:
    return FrozenLLM.load("smollm2", dtype="float32", device="cpu")


def conversation(llm: FrozenLLM, question: str) -> list[int]:
    """Give the ids of a question and of the model's own greedy answer."""
    ids = llm.encode(llm.render([{"role": "user", "content": question}]))
    prompt = torch.tensor([ids])
    with torch.no_grad():
        return llm.model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=POSITIONS - len(ids),
            do_sample=False, pad_token_id=llm.pad_id,
        )[0].tolist()  # fmt: skip


def test_next_tokens_agree_with_an_independent_engine(llm, smollm2):
    ids = conversation(llm, QUESTION)
    done = subprocess.run(
        [sys.executable, "-c", ENGINE, str(smollm2)],
        input=json.dumps(ids), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-500:]
    theirs = json.loads(done.stdout.splitlines()[-1])
    with torch.no_grad():
        ours = llm.model(torch.tensor([ids])).logits[0, :-1].argmax(-1).tolist()
    assert len(ours) == POSITIONS - 1
    assert sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(ours) >= 0.97


def test_it_is_what_the_catalogue_says(llm):
    assert llm.name == "smollm2"
    assert llm.identity.startswith("sha256:b179c952")
    assert sum(p.numel() for p in llm.model.parameters()) == pytest.approx(134.5e6, rel=1e-3)
    assert (llm.width, llm.layers, llm.context) == (576, 30, 8192)
