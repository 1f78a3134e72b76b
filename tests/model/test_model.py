"""SensorLanguageModel: assembly, loss, scoring and generation, over families of LLMs."""

import functools

import pytest
import torch

from sensor2llm.adapter.batches import FeatureBatch, Request
from sensor2llm.adapter.signal_text import SignalText
from sensor2llm.encoders.signal_encoder import Features
from sensor2llm.errors import ArtefactError, ConfigError, DataError, ModelError, TemplateError
from sensor2llm.llm.checks.shortcuts import Shortcuts
from sensor2llm.llm.forward import assemble, prompt_rows, tail_logits
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.generation import room, run_transformers
from sensor2llm.llm.prefix import compute_prefix
from sensor2llm.llm.scoring import score_each, score_tree
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.model.model import SensorLanguageModel
from tests.llm.tiny import FAMILIES
from tests.models import (
    LABELS,
    TEMPLATE,
    small_adapter,
    small_model,
    text_adapter,
    tiny_llm,
    windows,
)


@functools.cache
def built(family: str) -> SensorLanguageModel:
    model = small_model(family)
    model.score(windows(1))
    return model


@pytest.fixture(params=FAMILIES)
def model(request):
    """Give a family's model, built once; what a test changes is put back."""
    model = built(request.param)
    yield model
    model.objective = "answer"
    model.zero_grad()
    model.eval()


def taking(model: SensorLanguageModel, **shortcuts: bool) -> SensorLanguageModel:
    """Give the same model on an LLM that takes these shortcuts."""
    llm = model.llm.with_shortcuts(Shortcuts(**shortcuts))
    return SensorLanguageModel(model.adapter, llm)


def plain_score(model: SensorLanguageModel, window, label: int) -> float:
    """Score one label of one window by a full forward over [prompt, label], no shortcut."""
    vectors, _, _ = model.embed([window])
    answer = torch.tensor([model.prompting.answers.ids[label]])
    whole = torch.cat([vectors, model.llm.embed(answer)], dim=1)
    with torch.no_grad():
        logits = model.llm.model(inputs_embeds=whole).logits.log_softmax(-1)
    start = vectors.shape[1] - 1
    return float(sum(logits[0, start + i, token] for i, token in enumerate(answer[0])))


def test_labels_scored_over_a_tree_equal_each_label_scored_alone(model):
    given = windows(4)
    found = model.log_likelihoods(given).detach()
    for row, window in enumerate(given):
        for label in range(len(LABELS)):
            expected = plain_score(model, window, label)
            assert float(found[row, label]) == pytest.approx(expected, abs=2e-5)


def test_every_tiny_family_takes_tree_and_prefix(model):
    able = model.llm.shortcuts()
    assert all(getattr(able, name) for name in vars(Shortcuts()))
    assert model.build.for_batch(model.features(windows(1))).prefix is not None


def test_slower_paths_give_the_same_scores(model):
    features = model.features(windows(3))
    fast = model.log_likelihoods(features)
    for prefix, tree in ((False, True), (True, False), (False, False)):
        slow = taking(model, prefix=prefix, tree=tree).log_likelihoods(features)
        torch.testing.assert_close(slow, fast, atol=2e-5, rtol=0)


@pytest.mark.parametrize("objective", ["answer", "labels", "both"])
def test_batch_loss_is_the_mean_of_single_losses(model, objective):
    model.objective = objective
    given = windows(4)
    with torch.no_grad():
        single = torch.stack([model.loss([window]) for window in given])
        assert float(model.loss(given)) == pytest.approx(float(single.mean()), abs=1e-5)


def test_answer_loss_is_the_right_labels_negative_log_likelihood(model):
    given = windows(4)
    with torch.no_grad():
        scores = model.log_likelihoods(given)
        chosen = [scores[i, LABELS.index(w.label)] for i, w in enumerate(given)]
        assert float(model.loss(given)) == pytest.approx(-float(sum(chosen)) / 4, abs=1e-4)


def test_label_loss_is_cross_entropy_over_posterior_scores():
    model = small_model(objective="labels")
    model.adapter.label_prior = (-4.0, -3.0, -2.0, -1.0)
    given = windows(4)
    with torch.no_grad():
        chances = model.score(given).log()
        expected = -sum(chances[i, LABELS.index(w.label)] for i, w in enumerate(given)) / 4
        assert float(model.loss(given)) == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize(
    ("family", "chat"), [*((f, True) for f in FAMILIES), ("llama", False), ("gpt2", False)]
)
def test_text_prompts_of_different_length_equal_single_rows(family, chat):
    llm = tiny_llm(family, chat)
    model = SensorLanguageModel(text_adapter(llm), llm).eval()
    given = windows(4)
    assert len({len(model.prompting.ids(signal=t)) for t in model.features(given).texts}) > 1
    together = model.log_likelihoods(given)
    alone = torch.cat([model.log_likelihoods([window]) for window in given])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    with torch.no_grad():
        single = torch.stack([model.loss([window]) for window in given]).mean()
        assert float(model.loss(given)) == pytest.approx(float(single), abs=1e-5)


def test_a_text_that_does_not_fit_the_llm_is_an_error():
    llm = tiny_llm()
    adapter = text_adapter(llm)
    adapter.signal_text = SignalText(form="scientific")
    model = SensorLanguageModel(adapter, llm).eval()
    with pytest.raises(DataError, match=r"takes \d+ positions .* holds 256; write fewer numbers"):
        model.score(windows(2))


@pytest.mark.parametrize("ask", ["score", "generate", "check_context"])
def test_a_prompt_that_does_not_fit_the_llm_is_an_error(ask, monkeypatch):
    monkeypatch.setattr(FrozenLLM, "context", 16)
    model = small_model()
    given = () if ask == "check_context" else (windows(2),)
    with pytest.raises(DataError, match=r"tokens takes \d+ positions .*, llama-chat holds 16"):
        getattr(model, ask)(*given)


def test_an_answer_ends_where_the_context_does(monkeypatch):
    model = small_model("gpt2")
    length = model.tokens_per_window - model.prompting.longest_answer
    monkeypatch.setattr(FrozenLLM, "context", length + 3)
    prompt = model.build.for_messages(model.features(windows(1)), None, None)
    assert [room(model.llm, prompt, most) for most in (2, 3, 9)] == [2, 3, 3]
    monkeypatch.setattr(FrozenLLM, "context", None)
    assert room(model.llm, prompt, 9) == 9


def test_what_all_text_prompts_begin_with_is_computed_once(monkeypatch):
    llm = tiny_llm("llama", True)
    monkeypatch.setattr(FrozenLLM, "context", 512)  # rotary positions know no limit
    given = {"unit": "g", "examples": [{"numbers": "1, 2", "label": "rest"}]}
    adapter = text_adapter(llm)
    adapter.template, adapter.form = PromptTemplate.load("activity"), "few_shot"
    adapter.soft_prompt = None
    model = SensorLanguageModel(adapter, llm, template_values=given).eval()
    batch = model.features(windows(4))
    ids = [model.prompting.ids(signal=text) for text in batch.texts]
    prefix = model.build.rows(batch, ids).prefix
    assert prefix.length > 20
    assert model.build.rows(batch, ids).prefix is prefix
    assert all(row[: prefix.length] == ids[0][: prefix.length] for row in ids)
    cached, plain = model.build.for_batch(batch), model.build.for_batch(batch, prefix=False)
    assert cached.prefix is not None
    assert plain.prefix is None
    assert cached.vectors.shape[1] < plain.vectors.shape[1]
    tree = model.prompting.answers.tree
    together = score_tree(llm, cached, tree)
    torch.testing.assert_close(together, score_tree(llm, plain, tree), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("build", [text_adapter, small_adapter])
def test_greedy_answers_from_the_cached_prefix_are_those_of_transformers(family, build):
    llm = tiny_llm(family)
    model = SensorLanguageModel(build(llm), llm).eval()
    batch = model.features(windows(4))
    assert model.build.for_batch(batch).prefix is not None
    prompt = model.build.for_batch(batch, prefix=False)
    ids = run_transformers(llm, prompt, 6).sequences
    expected = llm.tokenizer.batch_decode(ids, skip_special_tokens=True)
    assert model.generate(batch, max_new_tokens=6) == [text.strip() for text in expected]


def test_encoded_batch_rows_equal_single_rows(model):
    given = windows(4)
    together = model.log_likelihoods(given)
    alone = torch.cat([model.log_likelihoods([window]) for window in given])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_cached_prefix_of_a_right_padded_tail_changes_no_logit(model):
    llm, shared = model.llm, model.prompting.shared
    soft = model.adapter.soft_vectors().detach()
    signal = torch.randn(2, 2, llm.width)
    tail = model.prompting.answers.table[:2]
    prefix = compute_prefix(llm, shared.rows.ids[0].tolist())
    cached = assemble(llm, shared.rows, soft, signal, batch=2, prefix=prefix)
    plain = assemble(llm, shared.rows, soft, signal, batch=2)
    assert cached.vectors.shape[1] < plain.vectors.shape[1]
    torch.testing.assert_close(
        tail_logits(llm, cached, tail), tail_logits(llm, plain, tail), atol=1e-5, rtol=0
    )


def test_the_soft_prompt_is_part_of_the_cached_prefix_in_use_and_not_in_training(model):
    features, soft = model.features(windows(3)), model.adapter.soft_tokens
    trained = model.build.for_batch(features)
    with torch.no_grad():
        used = model.build.for_batch(features)
        assert model.build.for_batch(features).prefix is used.prefix
    assert (trained.prefix.soft, used.prefix.soft) == (False, True)
    assert used.prefix.length == trained.prefix.length + soft
    assert used.vectors.shape[1] == trained.vectors.shape[1] - soft
    assert used.positions.equal(trained.positions)
    tree = model.prompting.answers.tree
    scores = score_tree(model.llm, used, tree)
    torch.testing.assert_close(scores, score_tree(model.llm, trained, tree), atol=2e-5, rtol=0)


@pytest.mark.parametrize("change", ["a training step", "a tensor of its own", "one row's data"])
def test_a_soft_prompt_that_was_changed_is_computed_anew(change):
    """Scores behind an old soft prompt would be another adapter's."""
    model = small_model()
    features, vectors = model.features(windows(3)), model.adapter.soft_prompt.vectors
    before = model.score(features)
    if change == "a training step":
        optimizer = torch.optim.AdamW([vectors], lr=0.1)
        model.loss(features).backward()
        optimizer.step()
    elif change == "a tensor of its own":
        vectors.data = vectors.data.flip(0) * 2
    else:  # which no version counter of autograd notices
        vectors.data[0].add_(0.5)
    after = model.score(features)
    assert not torch.allclose(after, before)
    torch.testing.assert_close(after, taking(model, prefix=False).score(features))


def test_questions_share_the_constant_text_before_the_window():
    model = small_model()
    model.adapter.templates["question_answering"] = PromptTemplate.load("question")
    asked = [Request("question_answering", {"question": q}) for q in ("Is it slow?", "Why?")]
    batch = model.features(windows(2)).with_requests(asked)
    with torch.no_grad():
        cached, plain = model.build.for_batch(batch), model.build.for_batch(batch, prefix=False)
    assert cached.prefix.soft
    ids = model.prompting.ids(request=asked[0])
    assert cached.prefix.length == ids.index(model.llm.signal_id)
    tail = torch.tensor([[5, 6]])
    logits = (tail_logits(model.llm, prompt, tail) for prompt in (cached, plain))
    torch.testing.assert_close(*logits, atol=2e-5, rtol=0)


def test_gradients_reach_projector_and_soft_prompt_and_never_the_llm(model):
    model.train()
    model.loss(windows(4)).backward()
    assert model.adapter.soft_prompt.vectors.grad.abs().sum() > 0
    assert all(p.grad is not None for p in model.adapter.projector.parameters())
    assert all(p.grad is None for p in model.llm.model.parameters())
    assert all(p.grad is None for p in model.adapter.encoder.parameters())


@pytest.mark.parametrize("trainable", [True, False, None])
def test_the_constructor_says_what_is_trained(trainable):
    llm = tiny_llm()
    adapter = small_adapter(llm)
    adapter.encoder.requires_grad_(True)
    model = SensorLanguageModel(adapter, llm, encoder_trainable=trainable)
    assert not any(p.requires_grad for p in llm.model.parameters())
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    names = {name for name, _ in model.named_parameters()}
    encoder = {name for name in names if name.startswith("adapter.encoder.")}
    joint = {name for name in encoder if name.startswith("adapter.encoder.aggregator.")}
    assert joint < encoder < names
    assert trained == {True: names - joint, False: names - encoder, None: names}[trainable]


def test_prefix_changes_no_gradient(model):
    grads = []
    for prefix in (True, False):
        model.zero_grad()
        taking(model, prefix=prefix).loss(windows(4)).backward()
        grads.append(model.adapter.soft_prompt.vectors.grad.clone())
    torch.testing.assert_close(grads[0], grads[1], atol=1e-5, rtol=1e-4)


def test_a_trainable_encoder_gets_gradients():
    model = small_model()
    model.adapter.encoder.modalities.requires_grad_(True)
    model.train()
    assert model.adapter.encoder.training
    model.loss(windows(4)).backward()
    assert any(
        p.grad is not None and p.grad.any() for p in model.adapter.encoder.modalities.parameters()
    )


def test_a_frozen_encoder_stays_in_evaluation_mode_and_takes_no_gradient():
    model = small_model().train()
    assert not model.adapter.encoder.training
    assert model.adapter.projector.training
    assert not model.features(windows(2)).steps.requires_grad


def test_probabilities_sum_to_one_and_subtract_the_prior():
    model = small_model()
    given = windows(3)
    raw = model.log_likelihoods(given)
    assert torch.allclose(model.score(given), raw.softmax(-1))
    model.adapter.label_prior = (-2.0, -1.0, 0.0, 1.0)
    found = model.score(given)
    assert torch.allclose(found.sum(-1), torch.ones(3))
    assert torch.allclose(found, (raw - torch.tensor([-2.0, -1.0, 0.0, 1.0])).softmax(-1))


def test_prior_is_the_mean_log_likelihood_over_batches():
    model = small_model()
    given = windows(6)
    prior = model.measure_prior([given[:4], given[4:]])
    expected = model.log_likelihoods(given).mean(0)
    assert torch.allclose(torch.tensor(prior), expected, atol=1e-5)
    assert model.adapter.label_prior == prior
    with pytest.raises(DataError, match="no window to measure the label prior"):
        model.measure_prior([])


def test_cached_features_give_what_windows_give():
    model = small_model()
    given = windows(4)
    features = model.features(given)
    expected = model.score(given)
    assert torch.equal(model.score(features), expected)
    assert torch.equal(model.score(Features(features.steps, features.present)), expected)
    half = FeatureBatch(features.labels, features.steps.bfloat16(), features.present)
    assert torch.allclose(model.score(half), expected, atol=0.05)


def test_a_missing_modalitys_content_never_matters():
    model = small_model()
    features = model.features(windows(3))
    absent = ~features.present
    assert absent.any()
    noisy = features.steps + 100 * absent[:, :, None, None]
    changed = FeatureBatch(features.labels, noisy, features.present)
    assert torch.equal(model.score(changed), model.score(features))


def test_embed_gives_what_the_base_model_scores(model):
    vectors, mask, positions = model.embed(windows(2))
    with torch.no_grad():
        logits = model.llm.model(
            inputs_embeds=vectors, attention_mask=mask, position_ids=positions
        ).logits[:, -1]
    first = torch.tensor([i[0] for i in model.prompting.answers.ids])
    features = model.features(windows(2))
    prompt = model.build.for_batch(features)
    ours = tail_logits(model.llm, prompt, torch.zeros(1, 0, dtype=torch.long))[:, 0]
    torch.testing.assert_close(logits[:, first], ours[:, first], atol=1e-5, rtol=0)


def test_generation_is_greedy_argmax_and_repeats_by_seed(model):
    given = windows(2)
    texts = model.generate(given, max_new_tokens=3)
    assert texts == model.generate(given, max_new_tokens=3)
    ids = []
    vectors, _, _ = model.embed(given[:1])
    with torch.no_grad():
        for _ in range(3):
            logits = model.llm.model(inputs_embeds=vectors).logits[0, -1]
            if model.llm.suppressed_ids:
                logits[model.llm.suppressed_ids] = -torch.inf
            ids.append(int(logits.argmax()))
            vectors = torch.cat([vectors, model.llm.embed(torch.tensor([ids[-1:]]))], dim=1)
    expected = model.llm.tokenizer.decode(ids, skip_special_tokens=True).strip()
    assert expected.startswith(texts[0])
    drawn = [model.generate(given, max_new_tokens=3, temperature=5.0, seed=s) for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_left_padded_texts_are_generated_as_alone():
    llm = tiny_llm()
    model = SensorLanguageModel(text_adapter(llm), llm).eval()
    given = windows(3)
    alone = [model.generate([window], max_new_tokens=4)[0] for window in given]
    assert model.generate(given, max_new_tokens=4) == alone


def test_a_conversation_of_ones_own_takes_the_place_of_the_template():
    model = small_model()
    first = model.prompting.messages()
    longer = [*first, {"role": "assistant", "content": "walk"}, {"role": "user", "content": "Why?"}]
    vectors, _, _ = model.embed(windows(1), messages=longer)
    assert vectors.shape[1] > model.embed(windows(1))[0].shape[1]
    with pytest.raises(ModelError, match="placeholders"):
        model.embed(windows(1), messages=[{"role": "user", "content": "Why?"}])


def test_without_encoder_and_soft_prompt_the_frozen_llm_alone_is_scored():
    llm = tiny_llm()
    adapter = text_adapter(llm, soft=0)
    adapter.form = "bare"
    model = SensorLanguageModel(adapter, llm).eval()
    assert torch.allclose(model.score(windows(2)).sum(-1), torch.ones(2))
    assert model.tokens_per_window > 0


def test_tokens_per_window_counts_prompt_and_longest_answer():
    model = small_model()
    longest = max(len(i) for i in model.prompting.answers.ids)
    assert model.tokens_per_window == model.embed(windows(1))[0].shape[1] + longest


def test_state_and_parameters_are_the_adapters_alone():
    model = small_model()
    assert all(name.startswith("adapter.") for name in model.state_dict())


def test_another_llm_is_refused_by_name():
    llama, qwen = tiny_llm("llama"), tiny_llm("qwen2")
    with pytest.raises(ArtefactError, match=r"trained for the LLM 'llama-chat'.*'qwen2-chat'"):
        SensorLanguageModel(small_adapter(llama), qwen)
    SensorLanguageModel(small_adapter(llama), qwen, check=False)


def test_wrong_options_and_data_are_said():
    llm = tiny_llm()
    with pytest.raises(ConfigError, match="unknown objective 'ansser'; choose from answer"):
        SensorLanguageModel(small_adapter(llm), llm, objective="ansser")
    model = small_model()
    features = model.features(windows(2))
    features.labels[0] = -1
    with pytest.raises(DataError, match="has no label"):
        model.loss(features)
    texts = FeatureBatch(features.labels, texts=("a", "b"))
    with pytest.raises(ConfigError, match="give it encoded features"):
        model.score(texts)
    few = small_adapter(llm, form="few")
    with pytest.raises(TemplateError, match="no form 'few'"):
        SensorLanguageModel(few, llm).score(windows(1))


def test_two_labels_with_the_same_text_are_refused():
    llm = tiny_llm()
    adapter = small_adapter(llm, label_texts=("rest", "walk", "walk", "run"))
    with pytest.raises(ConfigError, match="'walk' and 'walk' are the same text to the LLM"):
        SensorLanguageModel(adapter, llm).score(windows(1))


def test_template_prompt_is_what_the_tokenizer_gets():
    model = small_model()
    text = model.prompting.text()
    assert text.count("<|soft|>") == 3
    assert text.count("<|signal|>") == 2
    assert TEMPLATE.name == "small"


def test_scores_of_padded_prompts_are_given_by_row():
    llm = tiny_llm()
    rows = prompt_rows(llm, [[5, 6, 7], [8, 9]])
    prompt = assemble(llm, rows, None, None, batch=2)
    answers = [[11, llm.end_of_turn_id]]
    alone = [score_each(llm, prompt.row(i), answers) for i in range(2)]
    torch.testing.assert_close(score_each(llm, prompt, answers), torch.cat(alone))


@pytest.mark.parametrize("objective", ["labels", "both"])
def test_training_learns_the_labels_and_leaves_the_llm_alone(objective):
    model = small_model(objective=objective)
    before = model.llm.fingerprint()
    features = model.features(windows(8))
    model.measure_prior([features])
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=0.03)
    model.train()
    for _ in range(40):
        optimizer.zero_grad()
        model.loss(features).backward()
        optimizer.step()
    assert torch.equal(model.score(features).argmax(1), features.labels)
    assert model.llm.fingerprint() == before


def test_the_answer_objective_learns_to_say_the_label():
    model = small_model()
    features = model.features(windows(1))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=0.03)
    first = float(model.loss(features).detach())
    for _ in range(30):
        optimizer.zero_grad()
        model.loss(features).backward()
        optimizer.step()
    assert float(model.loss(features).detach()) < first / 2
