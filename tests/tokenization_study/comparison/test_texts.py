"""Which windows are compared, and how they are written."""

from collections import Counter
from dataclasses import replace

import numpy as np

from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.simulation.simulate import simulate_store
from sensor2llm.signals.store.store import WindowStore
from tests.tokenization_study.comparison.small import CONFIG
from tokenization_study.comparison.sample import stratified_sample
from tokenization_study.comparison.texts import WindowTexts


def test_the_sample_keeps_shares_of_people_and_labels():
    people = np.repeat([0, 1, 2], [100, 200, 300])
    labels = np.tile([0, 1, 1, 1], 150)
    rows = np.arange(600) * 7
    chosen = stratified_sample(rows, people, labels, 60, seed=1)
    assert len(set(chosen.tolist())) == 60
    assert set(chosen.tolist()) <= set(rows.tolist())
    found = Counter(zip(people[chosen // 7].tolist(), labels[chosen // 7].tolist(), strict=True))
    whole = Counter(zip(people.tolist(), labels.tolist(), strict=True))
    assert all(abs(found[cell] - whole[cell] / 10) < 1 for cell in whole)
    assert stratified_sample(rows, people, labels, 60, seed=1).tolist() == chosen.tolist()
    assert stratified_sample(rows, people, labels, 60, seed=2).tolist() != chosen.tolist()


def test_reduced_numbers_have_the_stated_rate_and_decimals(folders):
    store = WindowStore.open(folders[1])
    texts = WindowTexts(store, np.arange(len(store)), CONFIG, 4.0)
    window, lines = texts.reduced(0), texts.write("plain", [0])[0].split("\n")
    assert set(window) <= set(store.spec.names)
    for modality in store.spec.modalities:
        rate = modality.rate_hz
        if (values := window.get(modality.name)) is not None:
            assert values.shape[1] == modality.steps * min(4.0, rate) / rate if rate else 1
            np.testing.assert_array_equal(values, np.round(values, 2))
        assert any(line.startswith(modality.name) for line in lines)
    alone = WindowTexts(store, np.arange(len(store)), replace(CONFIG, modality=store.spec.names[0]))
    assert len(alone.write("plain", [0])[0].split("\n")) == len(alone.modalities[0].channels)


def test_a_forest_gets_exactly_the_numbers_of_the_text(folders):
    store = WindowStore.open(folders[1])
    texts = WindowTexts(store, np.arange(len(store)), CONFIG, 4.0)
    written = [
        float(number)
        for line in texts.write("plain", [0])[0].split("\n")
        if not line.endswith((":", "missing"))
        for number in line.split(", ")
    ]
    numbers = texts.numbers("plain", np.arange(3))
    assert numbers[0][~np.isnan(numbers[0])].tolist() == written
    facts, text = texts.numbers("facts", np.arange(3)), texts.write("facts", [0])[0]
    held = facts[0][~np.isnan(facts[0])]
    assert len(held) > 3
    assert all(f"{value:g}" in text for value in held)


def test_beats_have_no_rate_and_are_written_whole(tmp_path):
    store = simulate_store(
        tmp_path / "beats", SimulationConfig(scenario="rhythm", subjects=3, sessions=1, bout_s=150)
    )
    texts = WindowTexts(store, np.arange(len(store)), replace(CONFIG, decimals=0), 4.0)
    (modality,) = texts.modalities
    assert (texts.rates, texts.reduces) == ("each value", False)
    whole = store[0].signals[modality.name]
    np.testing.assert_array_equal(texts.reduced(0)[modality.name], np.round(whole))
    assert "rate_hz" not in texts.variables("plain")
