"""Numbers as text and back: what each form writes, and how far a round trip may be off."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.serialisation.numbers import Fixed, Shortest
from sensor2llm.signals.serialisation.scaled_numbers import ScaledInteger
from sensor2llm.signals.serialisation.serialise import (
    SERIALISERS,
    SerialiserConfig,
    make_serialiser,
)

NAMES = list(SERIALISERS)
PAIR = np.array([7.091625, -0.5916671], np.float32)
EXPECTED = {
    "plain": "7.091625, -0.5916671",
    "fixed": "7.09, -0.59",
    "significant": "7.09, -0.592",
    "digits_spaced": "7 0 9 , - 5 9",
    "scaled_integer": "709, -59",
    "scientific": "7.09e+00, -5.92e-01",
    "bins": "3014, 1966",
    "delta": "7.09, -7.68",
    "lines": "7.091625\n-0.5916671",
    "json": "[[7.091625, -0.5916671]]",
    "csv": "7.091625;\n-0.5916671;\n",
}
KINDS = {
    "small": np.array([[1e-7, -3e-6, 0.0], [2.5e-5, 9.996e-5, 1.0]]),
    "wide": np.array([[480.0, 481.0, 482.0], [-1013.25, 99999.5, 0.004]]),
    "single": np.array([[3.25]]),
    "float32": np.random.default_rng(0).normal(0, 9.81, (3, 400)).astype(np.float32),
    "float64": np.random.default_rng(1).normal(60, 20, (2, 400)),
    "integers": np.array([[0, -5, 123456], [7, 8, 9]]),
}


def _round_trip_error(serialiser, values):
    values = np.atleast_2d(values)
    kind = values.dtype if values.dtype.kind == "f" else np.float64
    back = serialiser.read(serialiser.write(values)).astype(kind)
    assert back.shape == values.shape
    return float(np.nanmax(np.abs(back.astype(float) - values.astype(float))))


def test_there_are_eleven_forms_and_each_knows_its_name():
    assert set(NAMES) == set(EXPECTED)
    assert [SERIALISERS[name].name for name in NAMES] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_form_writes_what_the_table_says(name):
    assert SERIALISERS[name].write(PAIR) == EXPECTED[name]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_a_round_trip_stays_within_max_error(name, kind):
    for serialiser in (SERIALISERS[name], SERIALISERS[name].fit_scale(KINDS[kind])):
        assert _round_trip_error(serialiser, KINDS[kind]) <= serialiser.max_error(KINDS[kind])


@pytest.mark.parametrize("name", NAMES)
def test_what_was_read_back_is_written_as_the_same_text(name):
    serialiser = SERIALISERS[name].fit_scale(KINDS["float64"])
    text = serialiser.write(KINDS["float64"])
    assert serialiser.write(serialiser.read(text)) == text


@pytest.mark.parametrize("name", ["plain", "lines", "json", "csv"])
def test_forms_without_rounding_are_exact(name):
    for values in KINDS.values():
        assert SERIALISERS[name].max_error(values) == 0.0


def test_the_bounds_are_tight():
    values = KINDS["float64"]
    for name in set(NAMES) - {"plain", "lines", "json", "csv"}:
        serialiser = SERIALISERS[name].fit_scale(values)
        assert serialiser.max_error(values) < 25 * _round_trip_error(serialiser, values)


EPS = np.finfo(np.float64).eps


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("fixed", [1000.0, -2.0], 0.005 + 4 * EPS * 1000),
        ("delta", [1000.0, -2.0], 0.005 + 4 * EPS * 1000),
        ("scaled_integer", [1000.0, -2.0], 0.005 + 4 * EPS * 1000),
        ("significant", [0.00123, 0.0001], 5e-6 + 4 * EPS * 0.00123),
        ("scientific", [-4560.0, 1.0], 5.0 + 4 * EPS * 4560),
        ("scientific", [0.0], 0.005),
        ("significant", [1.0], 0.005 + 4 * EPS),
        ("bins", [0.5, -3.0], 15.0 / 4094 * (1 + 1e-9) + 4 * EPS * 3),
        ("fixed", [np.nan, np.nan], 0.005),
    ],
)
def test_the_bounds_are_half_a_step_and_rounding(name, values, expected):
    assert SERIALISERS[name].max_error(np.array(values)) == pytest.approx(expected, rel=1e-15)


def test_the_bound_of_float32_is_rounding_of_float32():
    bound = SERIALISERS["fixed"].max_error(np.array([1e6], np.float32))
    assert bound == pytest.approx(0.005 + 4 * np.finfo(np.float32).eps * 1e6)


def test_the_bound_counts_the_rounding_of_an_offset():
    config = SerialiserConfig(scale=2.0, offset=-1e9, decimals=1)
    bound = make_serialiser("scaled_integer", config).max_error(np.array([1.0]))
    assert bound == 0.5 * 10.0**-1 * 2 + (4 * EPS + 4 * EPS * 1e9)


@pytest.mark.parametrize("name", NAMES)
def test_missing_values_come_back_as_nan_at_their_place(name):
    values = np.array([[1.5, np.nan, -2.0], [np.nan, np.nan, 0.25]])
    back = SERIALISERS[name].read(SERIALISERS[name].write(values))
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
    assert np.nanmax(np.abs(back - values)) <= SERIALISERS[name].max_error(values)


def test_the_word_for_missing_is_an_option_and_null_in_json():
    values = np.array([1.0, np.nan])
    gap = make_serialiser("fixed", SerialiserConfig(missing="gap"))
    assert gap.write(values) == "1.00, gap"
    assert SERIALISERS["json"].write(values) == "[[1.0, null]]"


@pytest.mark.parametrize("name", NAMES)
def test_unit_and_separators_are_options_that_read_back(name):
    config = SerialiserConfig(separator=" | ", channel_separator=" / ", unit=" bpm")
    serialiser = make_serialiser(name, config)
    values = KINDS["float64"]
    text = serialiser.write(values)
    assert "bpm" in text
    assert _round_trip_error(serialiser, values) <= serialiser.max_error(values)


def test_units_stand_after_each_number_or_once_in_json():
    config = SerialiserConfig(unit="g")
    assert make_serialiser("fixed", config).write(PAIR) == "7.09g, -0.59g"
    content = json.loads(make_serialiser("json", config).write(PAIR))
    assert content["unit"] == "g"


def test_json_is_json():
    assert json.loads(SERIALISERS["json"].write(KINDS["wide"])) == KINDS["wide"].tolist()


def test_decimals_apply_to_rows_lines_and_json_too():
    config = SerialiserConfig(decimals=1)
    assert make_serialiser("lines", config).write(PAIR) == "7.1\n-0.6"
    assert make_serialiser("scaled_integer", config).write(PAIR) == "71, -6"


def test_whole_numbers_keep_every_digit():
    largest = np.array([2**63 - 1, -3])
    assert SERIALISERS["fixed"].write(largest) == "9223372036854775807.00, -3.00"
    unsigned = np.array([2**64 - 1], np.uint64)
    whole = make_serialiser("fixed", SerialiserConfig(decimals=0))
    assert whole.write(unsigned) == "18446744073709551615"


def test_numbers_that_would_fill_a_page_are_refused():
    assert SERIALISERS["significant"].write(np.array([1e-280])).startswith("0.000")
    with pytest.raises(DataError) as caught:
        SERIALISERS["significant"].write(np.array([1.0, 0.0, 1e-290]))
    message = "1e-290 is too small to write without exponent; use 'scientific'"
    assert str(caught.value) == message


def test_there_is_no_minus_zero():
    assert SERIALISERS["fixed"].write(np.array([-0.001])) == "0.00"
    assert SERIALISERS["significant"].write(np.array([-0.0])) == "0.00"
    assert SERIALISERS["scientific"].write(np.array([-0.0])) == "0.00e+00"


def test_significant_digits_count_after_rounding():
    assert SERIALISERS["significant"].write(np.array([9.996, 1234.0, 0.0])) == "10.0, 1230, 0.00"


def test_delta_errors_do_not_add_up():
    values = np.cumsum(np.full(5000, 0.0049))
    assert _round_trip_error(SERIALISERS["delta"], values) <= 0.0051


def test_bins_clip_and_say_so():
    bins = make_serialiser("bins", SerialiserConfig(bins=16, bin_base=16, bin_limit=4.0))
    assert bins.write(np.array([-99.0, -0.1, 0.1, 3.9, 99.0])) == "0, 7, 8, F, F"
    assert bins.max_error(np.array([99.0])) == pytest.approx(99 - 3.75)


def test_bins_are_scaled_and_shifted():
    config = SerialiserConfig(bins=16, bin_base=16, bin_limit=4.0, scale=2.0, offset=10.0)
    bins = make_serialiser("bins", config)
    assert bins.write(np.array([2.0, 10.0, 17.9])) == "0, 8, F"
    assert bins.read("0, 8, F").tolist() == [[2.5, 10.5, 17.5]]
    assert bins.max_error(np.array([10.0, 12.0])) == pytest.approx(0.5)
    assert bins.max_error(np.array([30.0])) == pytest.approx(30 - 17.5)
    assert bins.fit_scale(np.array([8.0, 16.0])).form.config.scale == 4.0


def test_fitted_bins_take_the_mean_absolute_value_as_scale():
    values = np.array([-20.0, 40.0])
    assert SERIALISERS["bins"].fit_scale(values).form.config.scale == 30.0
    assert SERIALISERS["bins"].fit_scale(np.zeros(3)).form.config.scale == 1.0


def test_fitted_digits_map_the_95th_percentile_above_the_offset_to_one():
    values = np.linspace(0, 10, 101)
    text = make_serialiser("digits_spaced", SerialiserConfig(decimals=3)).fit_scale(values)
    assert text.write(values[95:96]) == "1 0 0 0"
    assert text.form.offset == pytest.approx(-3.0)
    narrow = SERIALISERS["digits_spaced"].fit_scale(values / 100)
    assert (narrow.form.offset, narrow.form.scale) == pytest.approx((-0.03, 0.125))


def test_fitted_digits_of_one_value_keep_their_scale():
    form = SERIALISERS["digits_spaced"].fit_scale(np.full(3, 5.0)).form
    assert (form.offset, form.scale) == (5.0, 1.0)


def test_a_plain_scaled_integer_keeps_its_scale_when_fitted():
    assert SERIALISERS["scaled_integer"].fit_scale(KINDS["wide"]) == SERIALISERS["scaled_integer"]


def test_rows_are_those_of_the_published_case_study(shared: Path):
    text = (shared / "data/wisdm2019/case_study_1600_first_10769_chars.txt").read_text()
    lines = [line for line in text.split("\n") if line.endswith(";")][:100]
    config = SerialiserConfig(row_lead="1600,A", timestamp_start=0)
    rows = make_serialiser("csv", config)
    values = rows.read("\n".join(lines))
    assert values.shape == (3, 100)
    numbers = make_serialiser("csv").write(values.astype(np.float32)).splitlines()
    # The published files were written by Java, whose last digit sometimes differs.
    same = [a == b.split(",", 3)[3] for a, b in zip(numbers, lines, strict=True)]
    assert np.mean(same) > 0.9


def test_rows_may_start_with_columns_and_a_time():
    config = SerialiserConfig(row_lead="1600,A", timestamp_start=90426708196641)
    rows = make_serialiser("csv", config)
    text = rows.write(np.array([[1.5, 2.5], [3.0, 4.0]]))
    assert text == "1600,A,90426708196641,1.5,3.0;\n1600,A,90426758196641,2.5,4.0;\n"
    np.testing.assert_array_equal(rows.read(text), [[1.5, 2.5], [3.0, 4.0]])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([1.0, np.inf]), "1 values are infinite"),
        (np.zeros((2, 0)), "not empty"),
        (np.zeros((1, 2, 3)), "must be"),
        (np.array(["1"]), "must be numbers"),
    ],
)
def test_what_cannot_be_written_is_refused(values, message):
    with pytest.raises(DataError, match=message):
        SERIALISERS["fixed"].write(values)


def test_huge_values_with_decimals_are_refused():
    with pytest.raises(DataError) as caught:
        SERIALISERS["delta"].write(np.array([1e17]))
    assert str(caught.value) == (
        "1e+17 with 2 decimals does not fit 2^53; use fewer decimals or the form 'scientific'"
    )
    whole = make_serialiser("delta", SerialiserConfig(decimals=0))
    assert whole.write(np.array([2.0**53])) == "9007199254740992"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("fixed", " ", "empty text"),
        ("fixed", "1.0, abc", "not written by 'fixed'"),
        ("plain", "1.0, 2.0\n3.0", r"channels have \[2, 1\]"),
        ("bins", "5000", "bin 5000 of 4094"),
        ("bins", "4094", "bin 4094 of 4094"),
        ("csv", "1,2;\n3;\n", "columns"),
        ("json", "[1,", "no JSON"),
        ("json", "[1]", "list of channels"),
    ],
)
def test_a_text_of_another_form_is_refused(name, text, message):
    with pytest.raises(DataError, match=message):
        SERIALISERS[name].read(text)


def test_a_scale_needs_a_finite_value():
    with pytest.raises(DataError, match="all missing"):
        SERIALISERS["bins"].fit_scale(np.array([np.nan]))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match="unknown serialiser 'morse'; choose from plain, fixed"):
        make_serialiser("morse")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": "."}, "separator must be"),
        ({"missing": "-"}, "missing must be"),
        ({"separator": "\n"}, "are both"),
        ({"unit": "3g"}, "unit must not start"),
        ({"unit": "a,b"}, "contains the separator"),
        ({"decimals": -1}, "decimals must be"),
        ({"significant_digits": 0}, "significant_digits must be"),
        ({"scale": 0.0}, "scale must be positive"),
        ({"bins": 1}, "bins must be"),
        ({"bin_limit": 0.0}, "bin_limit must be"),
        ({"bin_base": 1}, "bin_base must be"),
    ],
)
def test_options_that_could_not_be_read_back_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        SerialiserConfig(**options)


def test_spaced_digits_need_a_visible_separator():
    with pytest.raises(ConfigError, match="visible separator"):
        make_serialiser("digits_spaced", SerialiserConfig(separator=" "))


def test_writing_needs_neither_torch_nor_transformers():
    import subprocess

    code = (
        "import sys, sensor2llm.signals.serialisation.serialise; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_shortest_text_is_numpys_whatever_the_size(dtype):
    """Whole, tiny and huge numbers, and the edges between which another library writes them."""
    random = np.random.default_rng(0)
    sizes = 10 ** random.uniform(-8, 9, 4000)
    edges = [0.0, -0.0, 1.0, 1e-4, 9.9e-5, 999_999.5, 1e6, 1e15, 1e16, 5e-324, 0.1, 1 / 3]
    values = np.concatenate([sizes, -sizes, np.round(sizes, 2), edges]).astype(dtype)
    assert Shortest().write(values) == values.astype(str).tolist()
    assert Shortest().write(np.array([], dtype=dtype)) == []


@pytest.mark.parametrize("spaced", [False, True])
def test_integers_have_one_text_each_small_or_large(spaced):
    """Up to 8191 they are remembered; one larger one in a row takes them all another way."""
    form = ScaledInteger(0, spaced=spaced)
    numbers = [0, -1, 7, 8191, -8192, 8192, -8193, 123_456, 7]
    expected = [" ".join(str(n)) if spaced else str(n) for n in numbers]
    assert form.write(np.array(numbers, dtype=np.float64)) == expected
    small = [n for n in numbers if -8192 <= n < 8192]
    for _ in range(2):
        texts = form.write(np.array(small, dtype=np.float64))
        assert texts == [" ".join(str(n)) if spaced else str(n) for n in small]


def test_fixed_decimals_round_half_to_even_as_before_and_have_no_minus_zero():
    values = np.array([0.125, -0.125, 0.375, -0.001, 81.915, 81.925, 1e6 + 0.25, 1e9])
    for row in (values, values[:5]):
        expected = [f"{value:.2f}" for value in (np.round(row, 2) + 0.0).tolist()]
        assert Fixed(2).write(row) == expected
