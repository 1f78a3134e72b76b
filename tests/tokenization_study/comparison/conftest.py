"""An adapter, a store and a tiny LLM to compare on."""

import json
import shutil

import pytest

from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.templates import PromptTemplate
from tests.models import small_adapter
from tests.verbs import llm_folder, save_store
from tokenization_study.comparison import forest


@pytest.fixture(scope="session", autouse=True)
def few_trees():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 9)
        yield


@pytest.fixture(scope="session")
def llm(tmp_path_factory):
    """Give a tiny LLM whose context holds every prompt of numbers."""
    folder = tmp_path_factory.mktemp("llm") / "long"
    shutil.copytree(llm_folder(), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 4096}))
    return str(folder)


@pytest.fixture(scope="session")
def folders(tmp_path_factory, llm):
    base = tmp_path_factory.mktemp("comparison")
    template = PromptTemplate.load("activity")
    loaded = FrozenLLM.load(llm, dtype="float32", device="cpu")
    adapter = small_adapter(loaded, template=template).save(base / "adapter")
    return adapter, save_store(base / "store"), base / "out"
