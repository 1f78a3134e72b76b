"""A study's cells: settings, judgements, and the digest that says whether a result still fits."""

import json
from dataclasses import asdict, fields, replace
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import pytest

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.errors import ConfigError
from sensor2llm.pretraining.config import FinetuneConfig, HeadConfig, probe_loop
from sensor2llm.signals.config import SplitConfig
from sensor2llm.studies.config import LabelsConfig, MethodConfig, MissingConfig, StoreConfig
from sensor2llm.studies.grid import (
    FORMAT,
    EvaluationProtocol,
    cells,
    changed,
    check_cells,
    digest,
    digested,
    encoder_config,
    judgements,
    loops,
    missing_subsets,
    objective_config,
)
from sensor2llm.training.config import LoopConfig
from tests.studies.toy_study import CROSSL, make_study

PATH = Path("toy")
JOINT = EncoderConfig(kind="patch_transformer", shared=True, fusion="joint")


def make(**changes):
    return make_study(Path("out"), PATH, **changes)


def only_cell(study, method="crossl"):
    return next(cell for cell in cells(study) if cell.method == method)


def with_method(**options):
    return make(methods={"crossl": MethodConfig(**{"objective": "crossl", **options})})


def with_store(**options):
    return make(stores={"toy": StoreConfig(path=PATH, **options)})


# Settings.


def test_an_encoder_is_the_studys_changed_by_its_store_then_by_its_method():
    store = StoreConfig(path=PATH, encoder={"strides": [4, 2, 1], "width": 12})
    method = MethodConfig(objective="crossl", encoder={"width": 16, "kind": "resnet"})
    study = make(stores={"toy": store}, methods={"crossl": method})
    found = encoder_config(study, only_cell(study))
    assert found == replace(study.encoder, strides=(4, 2, 1), width=16, kind="resnet")


def test_loops_are_the_studys_changed_by_the_store_with_the_cells_seed():
    store = StoreConfig(path=PATH, pretrain_loop={"epochs": 25}, finetune_loop={"patience": 7})
    study = make(stores={"toy": store}, seeds=(3,))
    pretraining, finetuning = loops(study, only_cell(study))
    assert pretraining == replace(study.pretrain_loop, epochs=25, seed=3)
    assert finetuning == replace(study.finetune_loop, patience=7, seed=3)


def test_a_method_changes_its_stores_loops_in_turn():
    store = StoreConfig(path=PATH, pretrain_loop={"epochs": 25, "patience": 2})
    method = replace(CROSSL, pretrain_loop={"epochs": 9}, finetune_loop={"epochs": 4})
    study = make(stores={"toy": store}, methods={"crossl": method, "supervised": MethodConfig()})
    pretraining, finetuning = loops(study, only_cell(study))
    assert pretraining == replace(study.pretrain_loop, epochs=9, patience=2)
    assert finetuning == replace(study.finetune_loop, epochs=4)
    assert loops(study, only_cell(study, "supervised"))[0].epochs == 25


def test_options_reach_the_objective_nested_ones_too():
    study = with_method(options={"mask": "random", "masking_ratio": [0.1, 0.5]})
    found = [objective_config(study, cell) for cell in cells(study)]
    assert {one.mask for one in found} == {"random"}
    assert [one.masking_ratio for one in found[:2]] == [0.1, 0.5]
    study = with_method(objective="simclr", options={"augment": {"noise": 0.5}})
    augment = objective_config(study, only_cell(study)).augment
    assert (augment.noise, augment.rotation_rad) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (with_method(encoder={"widht": 8}), "encoder of crossl: unknown field 'widht'; fields are"),
        (
            make(missing=MissingConfig(inference="each"), encoder=JOINT),
            "supervised: missing takes embeddings away, and those of a joint encoder tell of each "
            "other's sensors; leave missing out",
        ),
        (with_store(encoder={"depth": 8}), "encoder of supervised: unknown field 'depth'"),
        (with_store(pretrain_loop={"epoch": 1}), "pretrain_loop: unknown field 'epoch'; fields"),
        (with_store(finetune_loop={"epoch": 1}), "finetune_loop: unknown field 'epoch'"),
        (with_method(pretrain_loop={"epoch": 1}), "pretrain_loop: unknown field 'epoch'"),
        (with_method(options={"ratio": 0.1}), "options of crossl: unknown field 'ratio'; fields"),
        (
            with_method(objective="simclr", options={"augment": {"blur": 1}}),
            "options of simclr, augment: unknown field 'blur'",
        ),
        (
            with_method(objective="simclr", options={"augment": 1}),
            "options of simclr: augment has fields of its own, got 1",
        ),
        (with_method(options={"mask": "time"}),
         "options of crossl: mask must be one of spatial, random, temporal, got 'time'"),
        (with_store(pretrain_loop={"epochs": "6 epochs"}),
         "epochs must be a whole number, got '6 epochs'"),
        (with_store(pretrain_loop={"epochs": True}), "epochs must be a whole number, got True"),
        (with_store(pretrain_loop={"learning_rate": "fast"}),
         "learning_rate must be a number, got 'fast'"),
        (with_method(options={"distinct_views": "no"}),
         "distinct_views must be true or false, got 'no'"),
        (with_method(encoder={"kind": 3}), "encoder of crossl: kind must be a word, got 3"),
        (with_method(encoder={"strides": ["a", "b", "c"]}), "strides must be three positive"),
        (with_store(pretrain_loop={"optimizer": "sgd"}),
         "pretrain_loop: optimizer must be one of adamw, adam, muon, got 'sgd'"),
        (make(methods={"plain": MethodConfig(options={"mask": "random"})}, baseline="plain"),
         "plain: options need an objective"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("unchecked")
def test_a_setting_that_is_not_there_is_named_before_anything_runs(study, message):
    with pytest.raises(ConfigError, match=message):
        check_cells(study)


def test_a_whole_number_will_do_for_a_number():
    assert changed(LoopConfig(), {"learning_rate": 1}, "loop").learning_rate == 1


# Judgements.


def test_a_pretrained_encoder_is_judged_fixed_and_finetuned_labels_alone_finetuned_only():
    study = make()
    assert judgements(study, only_cell(study), []) == [
        EvaluationProtocol(use="fixed"), EvaluationProtocol(use="finetuned"),
    ]  # fmt: skip
    assert judgements(study, only_cell(study, "supervised"), []) == [
        EvaluationProtocol(use="finetuned")
    ]
    study = with_method(use=["fixed"])
    assert judgements(study, only_cell(study), []) == [EvaluationProtocol(use="fixed")]


def test_shares_are_drawn_by_block_and_by_subject_and_all_labels_once():
    labels = LabelsConfig(shares=[0.1, 1.0], by=["block", "subject"], draws=2)
    study = make(labels=labels)
    found = judgements(study, only_cell(study, "supervised"), [])
    assert [(one.share, one.by, one.draw) for one in found] == [
        (0.1, "block", 0), (0.1, "block", 1), (0.1, "subject", 0), (0.1, "subject", 1),
        (1.0, "block", 0),
    ]  # fmt: skip


def test_every_judgement_is_repeated_without_each_set_of_modalities():
    study = make(labels=LabelsConfig(shares=(0.5, 1.0)))
    found = judgements(study, only_cell(study), [("a",), ("a", "b")])
    assert len(found) == 2 * 2 * 3
    assert {one.without for one in found if one.use == "fixed" and one.share == 0.5} == {
        (), ("a",), ("a", "b"),
    }  # fmt: skip


def test_sets_of_missing_modalities():
    names = ("watch_acc", "watch_gyro", "phone_acc", "phone_gyro")
    sites = ("watch", "watch", "phone", "phone")
    assert missing_subsets(names, sites, "none") == []
    assert missing_subsets(names, sites, "each") == [
        *((name,) for name in names), names[:2], names[2:],
    ]  # fmt: skip
    found = missing_subsets(names, sites, "all")
    assert found == [set_ for size in (1, 2, 3) for set_ in combinations(names, size)]
    assert len(found) == 2**4 - 2


def test_something_always_stays():
    assert missing_subsets(("acc", "gyro"), ("", ""), "each") == [("acc",), ("gyro",)]
    assert missing_subsets(("acc",), ("",), "each") == []
    assert missing_subsets(("acc",), ("",), "all") == []
    three = ("watch_acc", "watch_gyro", "rr")
    assert missing_subsets(three, ("watch", "watch", "rr"), "each") == [
        ("watch_acc",), ("watch_gyro",), ("rr",), ("watch_acc", "watch_gyro"),
    ]  # fmt: skip


# The digest.

MATTERS = {
    "method's objective": with_method(objective="cocoa"),
    "method's options": with_method(options={"masking_ratio": 0.5}),
    "method's encoder": with_method(encoder={"kind": "resnet"}),
    "method's use": with_method(use=("fixed",)),
    "pretrain_on": make(
        stores={"toy": StoreConfig(path=PATH), "b": StoreConfig(path=PATH, folds=())},
        methods={"crossl": MethodConfig(objective="crossl", pretrain_on={"b": {"x": "x"}})},
    ),
    "pretrain_too": with_method(pretrain_too=False),
    "store's split": with_store(split=SplitConfig(kind="fold", seed=1)),
    "store's encoder": with_store(encoder={"strides": [1, 1, 1]}),
    "store's pretraining": with_store(pretrain_loop={"epochs": 3}),
    "store's fine-tuning": with_store(finetune_loop={"epochs": 3}),
    "method's pretraining": with_method(pretrain_loop={"epochs": 9}),
    "method's fine-tuning": with_method(finetune_loop={"epochs": 9}),
    "store's people": with_store(people=("p1", "p2", "p3")),
    "store's modalities": with_store(modalities=("watch_acc",)),
    "who validates": with_store(split=SplitConfig(kind="loso"), validation="previous"),
    "encoder": make(encoder=EncoderConfig(width=16)),
    "pretraining": make(pretrain_loop=LoopConfig(epochs=7)),
    "fine-tuning": make(finetune_loop=LoopConfig(epochs=7)),
    "steps": make(finetune_min_steps=7),
    "head": make(finetune=FinetuneConfig(head=HeadConfig(width=9))),
    "features": make(features="aggregator"),
    "probe": make(probe="linear"),
    "labels": make(labels=LabelsConfig(draws=2)),
    "missing": make(missing=MissingConfig(inference="each")),
    "seed": make(seeds=(1,)),
    "fold": make(folds=(1,)),
}  # fmt: skip
DOES_NOT_MATTER = {
    "workers": make(workers=7),
    "out": make(out=Path("elsewhere")),
    "report": make(report=Path("elsewhere")),
    "engine": make(engine="ray", address="here", worker_cpus=2, worker_gpus=0.5),
    "name": make(name="Another"),
    "baseline": make(baseline="crossl"),
    "published": make(published={"crossl fixed": {"toy": ".5"}}),
    "other folds": make(folds=(0, 1, 2)),
    "another method": make(methods={"crossl": CROSSL}),
    "where the store lies": make(stores={"toy": StoreConfig(path=Path("elsewhere"))}),
}


@pytest.mark.parametrize("what", MATTERS)
def test_what_a_result_follows_from_changes_its_digest(what):
    assert digest(MATTERS[what], only_cell(MATTERS[what])) != digest(make(), only_cell(make()))


def test_no_two_changes_have_one_digest():
    found = [digest(study, only_cell(study)) for study in MATTERS.values()]
    assert len(set(found)) == len(found)


def test_the_probes_loop_counts():
    study = make(probe_loop=replace(probe_loop(), epochs=3))
    assert digest(study, only_cell(study)) != digest(make(), only_cell(make()))


@pytest.mark.parametrize("what", DOES_NOT_MATTER)
def test_anything_else_does_not(what):
    study = DOES_NOT_MATTER[what]
    assert digest(study, only_cell(study)) == digest(make(), only_cell(make()))


def without_floor(loop):
    assert loop.min_steps == 0
    return {name: value for name, value in asdict(loop).items() if name != "min_steps"}


def without_losses(config):
    settings = asdict(config)
    for name in ("gravity_loss", "rate_loss"):
        assert settings["augment"].pop(name) == 0
    return settings


def test_a_digest_at_defaults_says_what_the_first_studies_said():
    """A setting added later must be left out of it at its default, or all studies run anew."""
    study = make(probe_loop=probe_loop())
    cell = only_cell(study)
    first = {
        "format": FORMAT,
        "cell": {"store": "toy", "method": "crossl", "variant": "", "options": {}, "fold": 0,
                 "seed": 0},
        "method": {"objective": "crossl", "on": {}, "too": True, "use": ("fixed", "finetuned")},
        "split": {"kind": "fold", "fold": 0, "folds": 5, "seed": 0, "validation_share": 0.2,
                  "test_share": 0.2},
        "encoder": study.encoder.identity(),
        "loops": [without_floor(study.pretrain_loop), without_floor(study.finetune_loop), 6],
        "finetune": without_losses(study.finetune),
        "features": "concatenated",
        "labels": {"shares": (1.0,), "by": ("block",), "draws": 1},
        "missing": {"inference": "none", "finetuning": "none"},
    }  # fmt: skip
    assert digested(study, cell) == first
    text = json.dumps(first, sort_keys=True, default=str)
    assert digest(study, cell) == sha256(text.encode()).hexdigest()[:16]


def test_the_settings_of_other_packages_that_a_digest_holds_are_still_the_first_ones():
    """Where one of these grows, `digested` must leave the new field out at its default."""
    names = [field.name for field in fields(LoopConfig)]
    names.remove("min_steps")  # left out where it is 0: see above
    assert names == [
        "epochs", "steps", "budget_s", "batch_size", "gradient_accumulation", "learning_rate",
        "weight_decay", "optimizer", "muon_learning_rate", "beta2", "schedule", "warmup_share",
        "decay_share", "final_share", "max_grad_norm", "ema_decay", "precision", "patience",
        "validate_every", "log_every", "checkpoint_every_s", "tracker", "seed",
    ]  # fmt: skip
    plain = asdict(FinetuneConfig())
    for name in ("gravity_loss", "rate_loss"):  # left out where they are 0
        assert plain["augment"].pop(name) == 0
    assert {name: list(v) if isinstance(v, dict) else None for name, v in plain.items()} == {
        "head": ["width", "dropout"],
        "augment": ["rotation_rad", "scale", "shift", "warp", "noise", "modality_dropout"],
        "label_smoothing": None,
        "freeze_encoder": None,
    }
