"""A study's YAML: what it says, and what it cannot say."""

from itertools import product
from pathlib import Path

import pytest
import yaml

from sensor2llm.command import parse, to_config
from sensor2llm.errors import ConfigError
from sensor2llm.signals.config import SplitConfig
from sensor2llm.studies.config import (
    LabelsConfig,
    MethodConfig,
    MissingConfig,
    StoreConfig,
    StudyConfig,
)
from sensor2llm.studies.grid import cells, check_cells
from sensor2llm.study import make_parser

GRIDS = sorted((Path(__file__).parents[2] / "benchmarks" / "studies").glob("*.yaml"))
STORE = {"toy": StoreConfig(path=Path("toy"))}
METHODS = {"supervised": MethodConfig()}


def read(path: Path, *words: str) -> StudyConfig:
    parser = make_parser()
    return to_config(parser, parse(parser, [f"--config={path}", *words]), StudyConfig)


def make(**changes) -> StudyConfig:
    return StudyConfig(**{"name": "Toy", "stores": STORE, "methods": METHODS, **changes})


def expected_cells(plain: dict) -> set[tuple]:
    """Restate a grid from its YAML: (store, method, listed values, fold, seed)."""
    found = set()
    for name, method in plain["methods"].items():
        listed = [v for v in method.get("options", {}).values() if isinstance(v, list)]
        for store, said in plain["stores"].items():
            folds = said.get("folds", plain.get("folds", range(5)))
            for values, fold, seed in product(product(*listed), folds, plain.get("seeds", [0])):
                found.add((store, name, values, fold, seed))
    return found


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_every_grid_of_the_repository_expands_to_its_cells(path):
    study, plain = read(path), yaml.safe_load(path.read_text())
    check_cells(study)
    found = cells(study)
    named = {
        (c.store, c.method, tuple(v for k, v in c.options.items() if f"{k}={v}" in c.variant),
         c.fold, c.seed)
        for c in found
    }  # fmt: skip
    assert named == expected_cells(plain)
    assert len(found) == len(named) == len({cell.key for cell in found})
    assert study.out.parts[0] == "runs"


def test_the_headline_grid_is_three_stores_seven_methods_five_folds():
    study = read(next(path for path in GRIDS if path.stem == "headline"))
    assert len(cells(study)) == 3 * 7 * 5
    assert study.stores["uci_har"].encoder == {"strides": [4, 2, 1]}


def test_folds_come_whole_one_after_the_other():
    methods = {"supervised": MethodConfig(), "other": MethodConfig()}
    found = cells(make(folds=(0, 1), methods=methods))
    assert [(c.fold, c.method) for c in found] == [
        (0, "supervised"), (0, "other"), (1, "supervised"), (1, "other"),
    ]  # fmt: skip


def test_words_on_the_command_line_change_the_yaml():
    path = next(path for path in GRIDS if path.stem == "headline")
    words = ("--folds", "[1]", "--pretrain_loop.epochs", "2", "--workers", "3", "--out", "x")
    study = read(path, *words, "--methods", "{cocoa: {objective: cocoa}}")
    assert (study.folds, study.pretrain_loop.epochs, study.workers) == ((1,), 2, 3)
    assert (study.out, list(study.methods)) == (Path("x"), ["cocoa"])
    assert study.finetune_loop.epochs == 8


def test_listed_options_make_a_method_of_each_combination():
    method = MethodConfig(
        objective="crossl", options={"mask": ["spatial", "random"], "masking_ratio": [0.1, 0.5],
                                     "mask_span": 2},
    )  # fmt: skip
    assert list(method.variants()) == [
        (f"mask={mask} masking_ratio={ratio}",
         {"mask": mask, "masking_ratio": ratio, "mask_span": 2})
        for mask in ("spatial", "random") for ratio in (0.1, 0.5)
    ]  # fmt: skip
    assert list(MethodConfig().variants()) == [("", {})]
    titles = {cell.title for cell in cells(make(methods={"c": method}, folds=(0,)))}
    assert "c mask=random masking_ratio=0.5" in titles


def test_a_store_has_folds_of_its_own():
    stores = {
        "a": StoreConfig(path=Path("a"), folds=[2]),
        "b": StoreConfig(path=Path("b")),
        "c": StoreConfig(path=Path("c"), folds=()),
    }
    found = cells(make(stores=stores, folds=(0, 1)))
    assert [(cell.store, cell.fold) for cell in found] == [("b", 0), ("b", 1), ("a", 2)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folds": ()}, "a study needs folds, got none"),
        ({"seeds": ()}, "a study needs seeds, got none"),
        ({"stores": {}}, "a study needs stores, got none"),
        ({"methods": {}}, "a study needs methods, got none"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"worker_cpus": 0}, "worker_cpus must be positive, got 0"),
        ({"worker_gpus": -0.5}, "worker_gpus must be positive, got -0.5"),
        ({"engine": "spark"}, "unknown engine 'spark'; choose from local, ray"),
        ({"features": "both"}, "unknown features 'both'; choose from concatenated, aggregator"),
        ({"probe": "forest"}, "unknown probe 'forest'; choose from mlp, linear, knn"),
        ({"baseline": "crossl"}, "baseline 'crossl' is no method; supervised are"),
        ({"folds": (5,)}, "toy: folds must be 0 to 4, got 5"),
        ({"published": {"x": {"y": ".9"}}}, "unknown store in published 'y'; choose from toy"),
        (
            {"stores": {"toy": StoreConfig(path=Path("x"), folds=())}},
            r"no store is judged: all have folds \[\]",
        ),
        (
            {"stores": {"t": StoreConfig(path=Path("x"), split=SplitConfig(kind="published"))}},
            r"t: split kind published is the same in every fold; set folds to \[0\]",
        ),
        (
            {"stores": {"t": StoreConfig(path=Path("x"), split=SplitConfig(kind="loso"))},
             "folds": (-1,)},
            "t: folds must be 0 or more, got -1",
        ),
    ],
)  # fmt: skip
def test_a_study_that_cannot_be(changes, message):
    with pytest.raises(ConfigError, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (MethodConfig, {"objective": "byol"}, "unknown objective 'byol'; choose from crossl, "),
        (MethodConfig, {"use": ["frozen"]}, "unknown use 'frozen'; choose from fixed, finetuned"),
        (MethodConfig, {"pretrain_on": {"a": {}}}, "pretrain_on needs an objective"),
        (LabelsConfig, {"shares": [0.0, 1.0]}, "label shares must lie above 0 and up to 1"),
        (LabelsConfig, {"shares": [1.5]}, r"up to 1, got \(1.5,\)"),
        (LabelsConfig, {"shares": []}, r"up to 1, got \(\)"),
        (LabelsConfig, {"by": ["window"]}, "unknown by 'window'; choose from block, subject"),
        (LabelsConfig, {"draws": 0}, "draws must be at least 1, got 0"),
        (MissingConfig, {"inference": "some"}, "unknown inference 'some'; choose from none, each"),
        (MissingConfig, {"finetuning": "x"}, "unknown finetuning 'x'; choose from none, each, all"),
        (StoreConfig, {"path": Path("a"), "people": ()}, "people of 'a' is empty; leave it out"),
        (StoreConfig, {"path": Path("a"), "modalities": ()}, "modalities of 'a' is empty"),
        (StoreConfig, {"path": Path("a"), "validation": "next"}, "unknown validation 'next'"),
        (
            StoreConfig, {"path": Path("a"), "validation": "previous"},
            "validation previous needs split kind loso, got fold",
        ),
    ],
)  # fmt: skip
def test_a_part_that_cannot_be(kind, options, message):
    with pytest.raises(ConfigError, match=message):
        kind(**options)


def test_pretraining_on_another_store_needs_one_that_is_not_judged():
    def with_store(other: StoreConfig, name: str = "other") -> StudyConfig:
        method = MethodConfig(objective="crossl", pretrain_on={name: {"acc": "acc"}})
        return make(stores={**STORE, "other": other}, methods={"crossl": method})

    path = Path("other")
    assert len(cells(with_store(StoreConfig(path=path, folds=())))) == 5
    with pytest.raises(ConfigError, match="crossl: pretrain_on names the store 'wisdm'; stores"):
        with_store(StoreConfig(path=path, folds=()), "wisdm")
    with pytest.raises(ConfigError, match=r"which is judged, too: its test people would teach"):
        with_store(StoreConfig(path=path))


def test_an_option_listed_without_values_is_an_error():
    method = MethodConfig(objective="crossl", options={"masking_ratio": []})
    with pytest.raises(ConfigError, match="option masking_ratio is an empty list"):
        make(methods={"crossl": method})


def test_names_that_files_cannot_tell_apart_are_an_error():
    crossl = MethodConfig(objective="crossl")
    with pytest.raises(ConfigError, match="'a, b' and 'a b' on toy would both be written as"):
        cells(make(methods={"a b": crossl, "a, b": crossl}))
    with pytest.raises(ConfigError, match="would both be written as toy-supervised-seed0-fold0"):
        cells(make(seeds=(0, 0)))
