"""A frozen LLM whose layers are compiled: the same loss and gradients, in training alone."""

import pytest
import torch

from sensor2llm.errors import ConfigError
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.tuning import compilation
from sensor2llm.llm.tuning.compilation import compile_layers
from sensor2llm.model.model import SensorLanguageModel
from tests.llm.tiny import tiny_folder
from tests.models import small_adapter, windows

# Torch's compiler says it of torch's own code.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated"),
]


@pytest.fixture(autouse=True)
def forget():
    """Forget what was compiled."""
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.fixture
def traced(monkeypatch) -> list[int]:
    """Compile without a compiler: graphs run as they were traced; give one entry a graph."""
    graphs: list[int] = []

    def backend(graph, inputs):
        graphs.append(len(inputs))
        return graph.forward

    monkeypatch.setattr(compilation, "BACKEND", backend)
    return graphs


def model_on(family: str, *, compiled: bool) -> SensorLanguageModel:
    llm = FrozenLLM.load(str(tiny_folder(family)), dtype="float32", device="cpu")
    if compiled:
        compile_layers(llm.model, llm.device)
    return SensorLanguageModel(small_adapter(llm), llm, objective="both").eval()


def loss_and_gradients(model: SensorLanguageModel, count: int):
    model.zero_grad()
    step = model(windows(count))
    step.total.backward()
    gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return step.total.detach(), torch.cat(gradients)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_losses_and_gradients_are_those_of_the_same_model_as_it_is(family, traced):
    plain, fast = (model_on(family, compiled=compiled) for compiled in (False, True))
    tried = len(traced)
    for count in (4, 3, 6):
        expected, measured = (loss_and_gradients(model, count) for model in (plain, fast))
        torch.testing.assert_close(measured, expected, atol=1e-5, rtol=1e-4)
    assert len(traced) > tried


def test_other_batch_sizes_and_further_layers_are_compiled_once(traced):
    model = model_on("llama", compiled=True)
    loss_and_gradients(model, 4)
    compiled = len(traced)
    for count in (2, 3, 7):
        loss_and_gradients(model, count)
    layers = len(model.llm.model.model.layers)
    assert layers > 1
    # A norm and a feed-forward, each once for all layers, beside what is tried first.
    assert compiled == len(traced) == 1 + 2


def test_what_takes_no_gradient_is_not_compiled(traced):
    model, plain = model_on("llama", compiled=True), model_on("llama", compiled=False)
    tried = len(traced)
    assert torch.equal(model.score(windows(3)), plain.score(windows(3)))
    assert len(traced) == tried


def test_the_weights_are_the_same_and_nothing_is_left_behind(traced):
    model = model_on("llama", compiled=True)
    before = model.llm.fingerprint()
    loss_and_gradients(model, 3)
    assert model.llm.fingerprint() == before


def test_a_machine_without_a_compiler_is_one_line(monkeypatch):
    def backend(graph, inputs):
        raise RuntimeError("No working C++ compiler found in " + "/usr/bin/somewhere " * 20)

    monkeypatch.setattr(compilation, "BACKEND", backend)
    with pytest.raises(ConfigError) as caught:
        model_on("llama", compiled=True)
    message = str(caught.value)
    assert message.startswith("torch cannot compile here (BackendCompilerFailed: ")
    assert message.endswith("install a C++ compiler (g++; for a GPU triton, too), or leave "
                            "--compile out")  # fmt: skip


@pytest.mark.slow
def test_by_torchs_own_compiler_the_first_losses_are_the_same():
    plain, fast = (model_on("llama", compiled=compiled) for compiled in (False, True))
    for count in (4, 3):
        expected, measured = (loss_and_gradients(model, count) for model in (plain, fast))
        torch.testing.assert_close(measured, expected, atol=1e-5, rtol=1e-4)
