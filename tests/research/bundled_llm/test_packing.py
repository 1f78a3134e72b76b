import numpy as np
import pytest

from research.bundled_llm.packing import BLOCK, Mixture, TokenFiles, write_tokens
from research.bundled_llm.tokenizer import BEGIN, SPECIAL, chat_text, train_tokenizer
from sensor2llm.errors import DataError

TEXT = "The heart beats 72 times a minute while the person walks 4 8 0 steps. "


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([TEXT] * 50, vocabulary=400)


@pytest.fixture
def files(tmp_path, tokenizer):
    counts = {"train": {}, "held_out": {}}
    for number, domain in enumerate(("a", "b")):
        count = write_tokens(tmp_path / f"{domain}.train.bin", tokenizer, [TEXT] * 3000, None)
        counts["train"][domain] = {"tokens": count, "bytes": len(TEXT) * 3000}
        assert number < 2
    found = TokenFiles.__new__(TokenFiles)
    found.folder, found.counts = tmp_path, counts
    found.write_counts()
    return TokenFiles(tmp_path)


def test_tokens_read_back_as_the_text_they_were(files, tokenizer):
    stream = files.stream("a", "train")
    assert tokenizer.decode(stream[:200].tolist()).startswith(TEXT)
    row = files.read("a", "train", 16, 3)
    np.testing.assert_array_equal(row, stream[48:65])


def test_a_mixture_keeps_its_shares_and_repeats_no_row_before_all_are_used(files):
    mixture = Mixture(files, {"a": 3.0, "b": 1.0, "absent": 5.0}, tokens=16, seed=0)
    drawn = mixture.draw(0, BLOCK)
    assert np.bincount(drawn[:, 0]).tolist() == [BLOCK * 3 // 4, BLOCK // 4]
    rows = mixture.draw(0, 4 * files.rows("b", "train", 16))
    of_b = rows[rows[:, 0] == 1, 1]
    assert len(np.unique(of_b)) == len(of_b)


def test_a_draw_depends_on_its_place_alone(files):
    one, other = (Mixture(files, {"a": 1.0, "b": 1.0}, 16, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.draw(0, 300)[170:], other.draw(170, 130))


def test_no_text_at_all_is_an_error(files, tmp_path):
    with pytest.raises(DataError, match="holds no text of the domains c"):
        Mixture(files, {"c": 1.0}, 16, seed=0)
    with pytest.raises(DataError, match=r"tokens\.json is missing"):
        TokenFiles(tmp_path / "elsewhere")


def test_a_full_disk_leaves_no_half_written_token_file(tmp_path, tokenizer):
    def texts():
        yield TEXT
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_tokens(tmp_path / "a.bin", tokenizer, texts(), None)
    assert not list(tmp_path.iterdir())


def test_every_digit_is_one_token_with_and_without_a_space(tokenizer):
    for digit in "0123456789":
        assert len(tokenizer.encode(digit, add_special_tokens=False)) == 1
        assert len(tokenizer.encode(f" {digit}", add_special_tokens=False)) == 1


def test_special_tokens_are_single_and_end_of_turn_ends_the_sequence(tokenizer):
    assert [tokenizer.convert_tokens_to_ids(t) for t in SPECIAL] == list(range(len(SPECIAL)))
    assert tokenizer.eos_token == "<|end|>"


def test_the_quick_rendering_equals_the_chat_template(tokenizer):
    messages = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": " Hello "},
        {"role": "assistant", "content": "Hi."},
    ]
    assert chat_text(messages) == tokenizer.apply_chat_template(messages, tokenize=False)
    assert chat_text(messages).startswith(BEGIN)
