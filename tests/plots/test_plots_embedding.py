"""Pictures of embeddings: what they show, and that they are written."""

import json
import logging
import sys

import numpy as np
import pytest
import torch

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.evaluation.encoder_evaluation import ReadEncoder, measure_encoder
from sensor2llm.plots import attention, embedding
from sensor2llm.plots.attention import plot_attention
from sensor2llm.plots.embedding import draw_embedding, plot_map, plot_selectivity
from sensor2llm.plots.projection import balanced_rows, project_tsne, project_umap
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.splits.splits import make_split
from tests.models import normaliser
from tests.toy_store import SPEC, make_store


@pytest.fixture
def figures(monkeypatch):
    """Catch the figures before they are written."""
    caught = []
    for module in (attention, embedding):
        monkeypatch.setattr(module, "save_picture", lambda figure, _: caught.append(figure))
    return caught


@pytest.fixture
def no_umap(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    store = make_store(tmp_path_factory.mktemp("toy"))
    torch.manual_seed(0)
    encoder = SignalEncoder(SPEC, EncoderConfig(width=8, kernels=(8, 4, 4))).eval()
    split = make_split(store, SplitConfig())
    return ReadEncoder(encoder, normaliser(SPEC), store, split)


def is_png(path):
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000


def two_groups(count=40):
    rng = np.random.default_rng(0)
    names = np.repeat(["near", "far"], count // 2)
    return rng.normal(size=(count, 6)) + 20.0 * (names == "far")[:, None], names


def separation(points, names):
    far, near = points[names == "far"], points[names == "near"]
    between = np.linalg.norm(far.mean(0) - near.mean(0))
    return between / max(far.std(), near.std())


def test_tsne_keeps_groups_apart_and_is_the_same_again():
    features, names = two_groups()
    points = project_tsne(features, seed=3)
    assert points.shape == (40, 2)
    assert separation(points, names) > 2
    assert np.array_equal(points, project_tsne(features, seed=3))


@pytest.mark.slow
def test_umap_keeps_groups_apart_and_is_the_same_again_without_a_warning():
    features, names = two_groups()
    points = project_umap(features, seed=3)
    assert points.shape == (40, 2)
    assert separation(points, names) > 2
    assert np.array_equal(points, project_umap(features, seed=3))


def test_umap_gets_its_seed_and_one_job(monkeypatch):
    class Umap:
        def __init__(self, **options):
            self.options = options

        def fit_transform(self, features):
            np.testing.assert_allclose(features.mean(0), 0, atol=1e-9)
            return self.options

    monkeypatch.setitem(sys.modules, "umap", type(sys)("umap"))
    sys.modules["umap"].UMAP = Umap
    found = project_umap(two_groups(8)[0], seed=5)
    assert found == {"n_neighbors": 7, "random_state": 5, "n_jobs": 1}


def test_umap_that_is_not_installed(no_umap):
    with pytest.raises(ConfigError, match=r"needs umap-learn: pip install 'sensor2llm\[umap\]'"):
        project_umap(two_groups()[0])


def test_a_map_of_too_few_windows():
    with pytest.raises(DataError, match="4 windows are too few to draw a map of; at least 5"):
        project_tsne(two_groups(4)[0])


def test_a_map_of_a_collapsed_encoder():
    with pytest.raises(DataError, match="all 9 windows have one and the same embedding"):
        project_tsne(np.ones((9, 3)))


def test_rows_are_balanced_over_classes():
    labels = np.repeat([4, 1, 2], [100, 3, 50])
    rows = balanced_rows(labels, 60)
    assert np.bincount(labels[rows])[[1, 2, 4]].tolist() == [3, 28, 29]
    assert (np.diff(rows) > 0).all()
    assert np.array_equal(balanced_rows(labels, 500), np.arange(153))


def test_a_map_names_classes_and_people_in_order(figures):
    points = np.random.default_rng(0).normal(size=(36, 2))
    classes = np.array([f"class {i % 18}" for i in range(36)])
    plot_map(points, classes, np.array(["s10", "s2", "s1"] * 12), "map.png", title="maps")
    left, right = figures[0].axes
    named = [[text.get_text() for text in axis.get_legend().texts] for axis in (left, right)]
    assert named == [[f"class {i}" for i in range(18)], ["s1", "s2", "s10"]]
    looks = {(h.get_color(), h.get_marker()) for h in left.get_legend().legend_handles}
    assert len(looks) == 18
    drawn = np.concatenate([c.get_offsets() for c in left.collections])
    assert sorted(map(tuple, drawn)) == sorted(map(tuple, points))


def test_a_map_of_many_people_says_how_many(figures):
    points = np.random.default_rng(0).normal(size=(92, 2))
    people = np.array([f"s{i % 46}" for i in range(92)])
    plot_map(points, np.array(["rest", "walk"] * 46), people, "map.png")
    left, right = figures[0].axes
    assert left.get_legend() is not None
    assert right.get_legend() is None
    assert right.get_title() == "by person; 46 people, colours repeat"


def test_units_are_drawn_by_modality(figures):
    shares = np.array([[0.28, 0.72], [0.6, 0.4], [0.1, 0.9], [0.9, 0.1]])
    plot_selectivity(shares, ("accel", "gyro"), "selectivity.png")
    axis = figures[0].axes[0]
    expected = [[0.9, 0.6, 0.1, 0.28], [0.1, 0.4, 0.9, 0.72]]
    np.testing.assert_allclose(axis.images[0].get_array(), expected)
    assert axis.get_title() == "mean selectivity 0.78 (even: 0.50)"
    named = [label.get_text() for label in axis.get_yticklabels()]
    assert named == ["accel (0.47)", "gyro (0.53)"]


# Three tokens of modality 1, two of modality 0, one of none, in no order.
MODALITY, TIME = np.array([1, 0, -1, 1, 0, 1]), np.array([2, 1, 0, 0, 0, 1])


def test_attention_is_drawn_by_modality_then_time(figures):
    weights = np.random.default_rng(0).random((2, 3, 6, 6))
    plot_attention(weights, MODALITY, TIME, ("accel", "gyro"), "attention.png")
    axes = figures[0].axes
    assert len(axes) == 6
    order = [4, 1, 3, 5, 0]
    for axis, panel in zip(axes, weights.reshape(6, 6, 6), strict=True):
        drawn = np.array([[panel[q, k] for k in order] for q in order])
        np.testing.assert_allclose(axis.images[0].get_array(), drawn)
        edges = {float(line.get_ydata()[0]) for line in axis.lines[::2]}
        assert edges == {1.5}
    assert axes[5].get_title().startswith("layer 2, head 3\ncross 0.")
    assert [label.get_text() for label in axes[3].get_yticklabels()] == ["accel", "gyro"]


def test_pictures_are_written(tmp_path):
    points, weights = np.random.default_rng(0).normal(size=(9, 2)), np.ones((1, 2, 6, 6)) / 6
    names = np.array(["a", "b", "c"] * 3)
    assert is_png(plot_map(points, names, names, tmp_path / "new" / "map.png", title="t"))
    assert is_png(plot_selectivity(np.eye(3), ("a", "b", "c"), tmp_path / "s.png"))
    assert is_png(plot_attention(weights, MODALITY, TIME, ("a", "b"), tmp_path / "a.png"))


def test_an_encoder_is_drawn_with_its_numbers(given, tmp_path, caplog, no_umap):
    caplog.set_level(logging.INFO)
    numbers = draw_embedding(given, tmp_path / "out")
    kept = {path.name for path in (tmp_path / "out").iterdir()}
    assert kept == {"embeddings_tsne.png", "selectivity.png", "embedding.json"}
    assert all(is_png(tmp_path / "out" / name) for name in numbers["pictures"])
    assert json.loads((tmp_path / "out" / "embedding.json").read_text()) == numbers
    assert "no embeddings_umap.png: drawing a UMAP needs umap-learn" in caplog.text
    assert numbers["drawn"] == len(given.split.test)
    assert {name: numbers[name] for name in measure_encoder(given)} == measure_encoder(given)
    units = np.array([list(unit.values()) for unit in numbers["unit_shares"]])
    np.testing.assert_allclose(units, given.shares("test"))
    assert list(numbers["unit_shares"][0]) == list(SPEC.names)


def test_what_was_measured_is_not_measured_again(given, tmp_path, no_umap):
    numbers = draw_embedding(given, tmp_path, {"knn": "known"}, part="validation")
    assert numbers["knn"] == "known"
    assert "probes" not in numbers
    assert numbers["drawn"] == len(given.split.validation)
