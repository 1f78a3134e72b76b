"""The card of the bundled model takes its figures from the benchmark."""

from research.bundled_llm.measure import START, STOP, card_table, tiny_stories, write_card

METRICS = {
    "command": "python -m research.bundled_llm.measure",
    "bits_per_byte": {"simplewiki": {"bits_per_byte": 1.234, "documents": 7, "bytes": 9}},
    "tiny_stories": {"this model": 0.9, "stories260K": 1.1},
    "tiny_stories_documents": 5,
    "probes": {"copy_number": {"share": 0.975, "chance": 0.001, "n": 300}},
    "samples": [{"prompt": "Hello!", "answer": "Hello!\nHow can I help?"}],
    "speed": {
        "dtype": "bfloat16",
        "forward_ms": 12.0,
        "gflop_per_s": 50.0,
        "share_of_matrix_product": 0.6,
    },
}


def test_the_table_holds_every_figure() -> None:
    table = card_table(METRICS)
    assert "| simplewiki | 1.234 | 7 |" in table
    assert "| TinyStories, by stories260K | 1.100 | 5 |" in table
    assert "| copy_number | 97.5% | 0.1% | 300 |" in table
    assert "60% of the machine's matrix products" in table
    assert "- **Hello!** Hello! How can I help?" in table


def test_writing_the_card_again_replaces_the_table_and_nothing_else(tmp_path) -> None:
    card = tmp_path / "README.md"
    card.write_text("# A card\n\nBefore.\n")
    write_card(card, "old")
    card.write_text(card.read_text() + "\nAfter.\n")
    write_card(card, card_table(METRICS))
    text = card.read_text()
    assert text.startswith("# A card\n\nBefore.\n")
    assert text.endswith("After.\n")
    assert text.count(START) == text.count(STOP) == 1
    assert "old" not in text


def test_a_corpus_without_stories_gives_none(tmp_path) -> None:
    assert tiny_stories(tmp_path) == []
