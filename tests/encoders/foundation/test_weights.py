"""Where weights are looked for, and the one line where they cannot be had."""

import hashlib
import re

import pytest

from sensor2llm.encoders.foundation.weights import find_weights, hash_weights
from sensor2llm.errors import ArtefactError
from tests.encoders.foundation.tiny import COMMIT, TINY, save_in_hub_cache


def test_the_hubs_cache_gives_the_newest_or_a_revision(cache):
    snapshot = save_in_hub_cache(cache)
    for revision in (None, "main", COMMIT):
        assert find_weights("tiny", TINY, None, revision) == (snapshot, COMMIT)


def test_another_hub_name_takes_the_place_of_the_published_one(cache):
    snapshot = save_in_hub_cache(cache, "me/mine")
    assert find_weights("tiny", TINY, "me/mine", None) == (snapshot, COMMIT)


def test_a_folder_comes_first_and_one_that_is_gone_gives_way_to_the_hub(cache, weights, tmp_path):
    snapshot = save_in_hub_cache(cache)
    assert find_weights("tiny", TINY, str(weights), None) == (weights, None)
    assert find_weights("tiny", TINY, str(tmp_path / "gone"), None) == (snapshot, COMMIT)


def test_the_hash_is_of_both_files_one_behind_the_other(weights):
    files = [(weights / name).read_bytes() for name in ("config.json", "model.safetensors")]
    assert hash_weights(weights) == hashlib.sha256(b"".join(files)).hexdigest()


@pytest.mark.parametrize(
    ("place", "revision", "message"),
    [
        (None, None, "the hub's someone/tiny cannot be reached and its cache has them not; go"),
        ("/gone", None, "'/gone' is no folder; the hub's someone/tiny cannot be reached and"),
        ("me/mine", "v2", "'me/mine' is no folder; the hub's me/mine at v2 cannot be reached"),
    ],
)
def test_weights_that_cannot_be_had_say_what_was_tried(place, revision, message):
    with pytest.raises(ArtefactError, match=re.escape(message)) as raised:
        find_weights("tiny", TINY, place, revision)
    assert str(raised.value).endswith("or set weights to a folder with its config.json and "
                                      "model.safetensors")  # fmt: skip


def test_half_of_the_files_is_said(cache, weights):
    (save_in_hub_cache(cache) / "model.safetensors").unlink()
    with pytest.raises(ArtefactError, match="the hub's someone/tiny gives them only in part; go"):
        find_weights("tiny", TINY, None, None)
    (weights / "config.json").unlink()
    with pytest.raises(ArtefactError, match=r"'tiny' in '.*' lack config\.json; give the folder"):
        find_weights("tiny", TINY, str(weights), None)
