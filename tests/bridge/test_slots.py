"""Slots: vectors land at their placeholders, and a batch row is what the row alone would be."""

import pytest
import torch

from sensor2llm.bridge.slots import pad_left, place
from sensor2llm.errors import ModelError
from sensor2llm.llm.frozen import FrozenLLM
from tests.llm.tiny import FAMILIES, tiny_folder

SLOT = 99


def test_vectors_replace_the_placeholders_in_order_and_nothing_else():
    ids = torch.tensor([[1, SLOT, SLOT, 2], [SLOT, 3, 4, SLOT]])
    embeddings = torch.randn(2, 4, 5)
    vectors = torch.randn(2, 2, 5)
    placed = place(embeddings, ids, SLOT, vectors)
    assert torch.equal(placed[0, 1:3], vectors[0])
    assert torch.equal(placed[1, [0, 3]], vectors[1])
    assert torch.equal(placed[0, [0, 3]], embeddings[0, [0, 3]])
    assert torch.equal(placed[1, 1:3], embeddings[1, 1:3])


def test_gradient_reaches_the_vectors():
    vectors = torch.randn(1, 2, 3, requires_grad=True)
    place(torch.zeros(1, 3, 3), torch.tensor([[SLOT, 1, SLOT]]), SLOT, vectors).sum().backward()
    assert torch.equal(vectors.grad, torch.ones(1, 2, 3))


def test_vectors_take_the_type_of_the_embeddings():
    embeddings = torch.zeros(1, 1, 3, dtype=torch.bfloat16)
    placed = place(embeddings, torch.tensor([[SLOT]]), SLOT, torch.ones(1, 1, 3))
    assert placed.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("ids", "row", "counted"),
    [
        ([[SLOT, SLOT, 1], [SLOT, 1, 1]], 1, 1),
        ([[SLOT, SLOT, 1], [SLOT, SLOT, SLOT]], 1, 3),
        ([[1, 1, 1], [SLOT, SLOT, 1]], 0, 0),
        ([[SLOT, SLOT, SLOT], [SLOT, 1, 1]], 0, 3),
    ],
)
def test_a_wrong_count_names_the_row_and_both_counts(ids, row, counted):
    line = (
        f"^row {row} has {counted} placeholders with id 99, expected 2 \\(one a vector\\); let the "
        "prompt.s soft and signal variables write all of them$"
    )
    with pytest.raises(ModelError, match=line):
        place(torch.zeros(2, 3, 3), torch.tensor(ids), SLOT, torch.zeros(2, 2, 3))


def test_as_many_placeholders_in_all_but_not_in_each_row_are_too_few():
    ids = torch.tensor([[SLOT, SLOT, SLOT], [SLOT, 1, 1]])
    with pytest.raises(ModelError, match="row 0 has 3 placeholders"):
        place(torch.zeros(2, 3, 3), ids, SLOT, torch.zeros(2, 2, 3))


def test_left_padding_counts_positions_from_each_rows_first_token():
    padded = pad_left([[5, 6, 7], [8]], pad_id=0)
    assert padded.ids.tolist() == [[5, 6, 7], [0, 0, 8]]
    assert padded.attention_mask.tolist() == [[1, 1, 1], [0, 0, 1]]
    assert padded.position_ids.tolist() == [[0, 1, 2], [0, 0, 0]]


@pytest.mark.parametrize("family", FAMILIES)
def test_batch_rows_equal_single_rows(family: str):
    llm = FrozenLLM.load(str(tiny_folder(family)), dtype="float32")
    generator = torch.Generator().manual_seed(0)
    soft = torch.randn(3, 4, llm.width, generator=generator)
    signal = torch.randn(3, 2, llm.width, generator=generator)
    questions = ["Activity?", "Which of walking, sitting and standing is it, then?", "?"]
    slots = "<|soft|>" * 4 + "<|signal|>" * 2
    texts = [llm.render([{"role": "user", "content": f"{slots}\n{q}"}]) for q in questions]
    rows = [llm.encode(text) for text in texts]

    def last_logits(which: list[int]) -> torch.Tensor:
        ids, mask, positions = pad_left([rows[i] for i in which], llm.pad_id)
        embeddings = place(llm.embed(ids), ids, llm.soft_id, soft[which])
        embeddings = place(embeddings, ids, llm.signal_id, signal[which])
        with torch.no_grad():
            out = llm.model(inputs_embeds=embeddings, attention_mask=mask, position_ids=positions)
        return out.logits[:, -1]

    together = last_logits([0, 1, 2])
    alone = torch.cat([last_logits([i]) for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    assert (together[0] - together[1]).abs().max() > 0.01
