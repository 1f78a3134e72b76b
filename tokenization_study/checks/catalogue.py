"""Every pitfall: what it is, why it hurts, how it is checked, how bad it can be."""

from collections.abc import Callable
from dataclasses import dataclass

from tokenization_study.checks.evidence import Evidence
from tokenization_study.checks.pitfalls import edges, grouping, series, whole
from tokenization_study.checks.pitfalls.outcome import Outcome
from tokenization_study.config import SEVERITIES

Check = Callable[[Evidence], Outcome | None]
LEVELS = (0.01, 0.1, 0.5)
ANY = (1e-12, 1e-12, 1e-12)


@dataclass(frozen=True, kw_only=True)
class Pitfall:
    """One way in which a tokenizer gets in the way of numbers; its check has its id for a name.

    `levels` are the shares from which a finding is low, medium and high; it never counts as worse
    than `worst`.
    """

    name: str
    definition: str
    why: str
    how: str
    check: Check
    worst: str = "high"
    levels: tuple[float, float, float] = LEVELS

    @property
    def id(self) -> str:
        """Give the key in reports."""
        return self.check.__name__

    def severity(self, share: float) -> str:
        """Give the severity of a share."""
        reached = sum(share >= level for level in self.levels)
        return SEVERITIES[min(reached, SEVERITIES.index(self.worst))]


_PITFALLS = (
    Pitfall(
        name="Consecutive numbers chunked differently",
        definition="Neighbours such as 480, 481, 482 are cut at different places.",
        why="A step of one looks like a change of structure: counting and trends are hidden.",
        how="Neighbours in value of one form in the sample: share cut at other places.",
        check=grouping.consecutive_numbers,
    ),
    Pitfall(
        name="Floats split at arbitrary places",
        definition="Equally long fractions are cut at different places (3|.|14|159).",
        why="A digit's place value cannot be read off its token.",
        how="All numbers with two or more decimals: share not cut like most of their length.",
        check=grouping.float_split,
    ),
    Pitfall(
        name="Arbitrary integer grouping",
        definition="Integer parts of equal length are grouped differently (123|45, 12|345).",
        why="Magnitudes of one length do not line up token by token.",
        how="All integer parts of 3 to 6 digits: share not cut like most of their length.",
        check=grouping.integer_grouping,
    ),
    Pitfall(
        name="Inconsistent chunking of long integers",
        definition="Time stamps and other integers of 7 digits or more are cut at random.",
        why="Time differences cannot be computed from pieces that shift.",
        how="All integers of 7 digits or more: share not cut like most of their length.",
        check=grouping.long_integers,
    ),
    Pitfall(
        name="Digits grouped from the left",
        definition="Groups are counted from the left (123|456|7), so the last one is short.",
        why="One more digit moves every group boundary; thousands never line up.",
        how="All integer parts of 4 digits or more: share whose last group is the short one.",
        check=grouping.grouping_direction,
        worst="medium",
    ),
    Pitfall(
        name="Digits hidden in multi-digit tokens",
        definition="A token holds several digits, so that none of them is seen by itself.",
        why="The model must have learnt by heart what each token is worth.",
        how="All digits: share that share a token with another digit.",
        check=grouping.hidden_digits,
        worst="medium",
    ),
    Pitfall(
        name="Sign or decimal point fused or lost",
        definition="A sign or point shares its token with digits or separators, or has none.",
        why="The largest difference a character can make is hidden in another token.",
        how="Signs and points of the sample: share that are no token of their own.",
        check=edges.sign_point,
    ),
    Pitfall(
        name="A leading space changes the split",
        definition="' 481' and '481' are cut at different places.",
        why="The same number looks different at the start of a line and inside it.",
        how="Different numbers of the sample, with and without a space in front.",
        check=edges.leading_space,
    ),
    Pitfall(
        name="Trailing white space changes the split",
        definition="A prompt that ends in a space is continued by other tokens.",
        why="The model is asked to go on from a place it never saw in training.",
        how="Texts 'a, b' of the sample's numbers cut behind the space, against the whole.",
        check=edges.trailing_space,
        worst="medium",
    ),
    Pitfall(
        name="Case changes the split",
        definition="1.2e-03 bpm and 1.2E-03 BPM are cut at different places.",
        why="Exponents and units mean the same in both spellings; tokens do not.",
        how="Numbers of the sample in scientific form with a unit, in small and large letters.",
        check=edges.letter_case,
        worst="low",
    ),
    Pitfall(
        name="Unit and number fused",
        definition="A token holds a digit and a letter of the unit.",
        why="Neither the value nor the unit can be recognised.",
        how="Numbers of the sample with the unit behind them: share with such a token.",
        check=edges.unit_fused,
    ),
    Pitfall(
        name="Locale: decimal comma, thousands separators",
        definition="0,53 and 1,234 are cut into other digits than 0.53 and 1234.",
        why="One device set to another language gives the model other numbers.",
        how="Numbers of the sample rewritten: share whose digits are cut differently.",
        check=edges.locale,
        worst="medium",
    ),
    Pitfall(
        name="Minus-sign variants",
        definition="The typographic minus (U+2212) is other, more or unknown tokens.",
        why="Pasted tables use it; the sign is lost or costs several tokens.",
        how="Negative numbers of the sample rewritten: share with another number of tokens.",
        check=edges.minus_variants,
        worst="medium",
    ),
    Pitfall(
        name="Padding with zeros changes the split",
        definition="0.5 and 0.50, 7 and 07 cut the same digits at different places.",
        why="Fixed widths, meant to line numbers up, change what the model sees.",
        how="Numbers of the sample with one more zero: share whose digits are cut differently.",
        check=edges.zero_padding,
        worst="medium",
    ),
    Pitfall(
        name="One value with several tokenizations",
        definition="A number that comes again in a series is made of other tokens.",
        why="Equal values are not equal to the model.",
        how="Numbers of the sample that come again: share not tokenized as usual.",
        check=series.several_tokenizations,
    ),
    Pitfall(
        name="Neighbours in value share no token",
        definition="Two values next to each other have no token with a digit in common.",
        why="Closeness of values leaves no trace in the input.",
        how="Neighbours in value in the sample: share without a common digit token.",
        check=series.no_shared_token,
    ),
    Pitfall(
        name="Distance in value is lost",
        definition="How far apart two values are says nothing about how their tokens differ.",
        why="Temporal relations and trends must be learnt against the representation.",
        how="Rank correlation of token edit distance and distance in value over the sample.",
        check=series.distance_lost,
        levels=(0.2, 0.5, 0.8),
    ),
    Pitfall(
        name="Repeats of a pattern tokenize differently",
        definition="A repeated stretch (or one off in the last digit) is cut differently.",
        why="Steps, breaths and beats no longer come back after so many tokens.",
        how="Stretches of 8 numbers of the sample, repeated: share cut at other places.",
        check=series.period_lost,
    ),
    Pitfall(
        name="Columns drift out of step",
        definition="The same column starts at another token in the next line.",
        why="Attention by position cannot line up the axes of a sensor.",
        how="Lines of the sample that follow each other: share with a moved column.",
        check=series.column_drift,
        worst="medium",
    ),
    Pitfall(
        name="Special or unknown tokens",
        definition="Characters of the data become an unknown or a control token.",
        why="Data vanish, or the model takes them for the end of a text.",
        how="All tokens: share that are unknown or special.",
        check=whole.special_unknown,
        levels=ANY,
    ),
    Pitfall(
        name="Decoding does not give the text back",
        definition="The tokens of a text decode to another text, or to none.",
        why="Line breaks, spaces or letters are gone before the model sees them.",
        how="Texts of the sample, encoded and decoded: share that came back changed.",
        check=whole.non_reversible,
        levels=ANY,
    ),
    Pitfall(
        name="The context is spent on digits",
        definition="One window of signal takes a large share of the context.",
        why="What does not fit is cut off; what fits is slow and dear.",
        how="Mean tokens of a window over the context's length.",
        check=whole.context_spent,
        levels=(0.05, 0.25, 1.0),
    ),
    Pitfall(
        name="Model-specific behaviour",
        definition="The same number is cut differently by another model's tokenizer.",
        why="What was tuned on one model does not carry over to the next.",
        how="Numbers of the sample: share that another audited tokenizer cuts differently.",
        check=whole.model_specific,
        worst="low",
    ),
)
PITFALLS = {pitfall.id: pitfall for pitfall in _PITFALLS}
"""All pitfalls by id, in the order of the report."""
