"""The words that tell what a typed question is about: labels, facts, what no sensor tells.

All patterns are matched in `wording.plain_words`: lower case, contractions written out.
"""

import re
from collections.abc import Mapping

LABEL_GROUPS: Mapping[str, tuple[tuple[str, str], ...]] = {"activity": (
    (r"(?:(?:walk|go|com|head|runn?)\w* )?up(?:wards?)?(?: the| a| some)?(?: flight of)?"
     r" (?:stair\w*|steps)|(?:walk|go|com|head|runn?)\w* up(?:wards?)?|(?:climb|"
     r"ascend)\w*(?: (?:the |some )?(?:stair\w*|steps))?|"
     r"upstairs|mount\w* (?:the )?stair\w*",
     r"upstairs|ascending|climbing|\bstairs$"),
    (r"(?:(?:walk|go|com|head|runn?)\w* )?down(?:wards?)?(?: the| a| some)?(?: flight of)?"
     r" (?:stair\w*|steps)|(?:walk|go|com|head|runn?)\w* down(?:wards?)?|"
     r"descend\w*(?: (?:the |some )?(?:stair\w*|steps))?|"
     r"downstairs", r"downstairs|descending|\bstairs$"),
    (r"stair\w*|staircase", r"stairs|ascending|descending"),
    (r"mov(?:e|es|ing) (?:about|around|along)|on the move|in motion|moving|not (?:sitting|staying) "
     r"still|up and about|on foot|getting (?:about|around)|under way",
     r"walk|stairs|jog|run|ascend|descend|cycl|climb"),
    (r"rest(?:s|ed|ing)?|inactive|stationary|idle|relaxing|lazing|taking a break|"
     r"stay(?:s|ing)? (?:put|where)",
     r"sitting|lying|standing|\brest"),
    (r"upright|on (?:his|her|their|my) (?:feet|legs)|vertical posture",
     r"standing|walk|stairs|jog|run|ascend|descend"),
    (r"walk(?:s|ed|ing)?|stroll\w*|on a walk|wander\w*|pacing|march\w*|strid(?:e|es|ing) along",
     r"^walking$|^walk$"),
    (r"jog\w*|run(?:s|ning)?|sprint\w*|out for a run", r"jog|run"),
    (r"sit(?:s|ting)?|sat|seated|on a (?:chair|seat|stool|bench|sofa)|in (?:a|the) chair",
     r"^sitting"),
    (r"stand(?:s|ing)?(?: still| up| upright)?|stood|in a queue|waiting in line", r"^standing"),
    (r"lie|lies|lying|lay|lays|laying|laid|in bed|horizontal|flat on \w+ back|stretched out|"
     r"reclin\w*|asleep|sleeping|supine|prone|flat out", r"^lying|^laying"),
    (r"eat(?:s|ing)?|meal|food|dining|having (?:lunch|dinner|breakfast)|snack\w*|chew\w*",
     r"^eating|soup|chips|pasta|sandwich"),
    (r"drink(?:s|ing)?|sip(?:s|ping)?|beverage|cup of", r"drink"),
    (r"toothbrush\w*|teeth|dental", r"teeth"),
    (r"keyboard|typ(?:e|es|ing)", r"typing"),
    (r"handwriting|pen|pencil|writ(?:e|es|ing)|taking notes", r"writing"),
    (r"desk|office work|paperwork", r"typing|writing"),
    (r"applau\w*|clap\w*", r"clap"),
    (r"laundry|fold\w*|clothes", r"folding"),
    (r"soccer|football|kick\w*", r"kick"),
    (r"basketball|dribbl\w*", r"basketball|dribbl"),
    (r"(?:play\w* )?catch\w*|throw\w*", r"catch"),
    (r"cycl\w*|bik(?:e|es|ing)|bicycl\w*", r"cycl|bik"),
), "rhythm": (
    (r"atrial fibrillation|fibrillat\w*", r"fibrillation"),
    (r"arrhythmi\w*|arrythmi\w*|abnormal|irregular rhythm", r"fibrillation|flutter|arrhythm|ectop"),
    (r"normal|sinus(?: rhythm)?|healthy|fine|ok|okay|in order",
     r"sinus|^normal|^healthy"),
), "stress": (
    (r"stressed(?: out)?|tense|under (?:pressure|stress|strain)|strained|nervous|on edge",
     r"^stress"),
    (r"calm|relaxed|at ease|unstressed|no stress|not stressed|chilled", r"^no stress|^calm"),
)}  # fmt: skip
"""What people call the labels of a field, and a pattern of the labels that it stands for."""

PEOPLE = re.compile(
    r"\b(?:(?:the|this|that|my|our|your|any|some) )?(?:he|she|they|him|them|i|wearer|person|"
    r"patient|"
    r"subject|user|man|woman|guy|fellow|lady|somebody|someone|anybody|anyone|mother|father|dad|mum|"
    r"mom|grandma|grandpa|granny|uncle|aunt|child|kid|son|daughter|wife|husband|owner|participant)\b"
)
THEIRS = re.compile(r"\b(?:her|their|my|he s)\b")
FACTS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(rf"\b(?:{words})\b")
    for name, words in {
        "missing": r"missing|absent|(?:all|every|which|what|any|no)(?: the| of the)? "
                   r"(?:sensor|channel|signal|modalit|stream)\w*(?: \w+){0,3}|"
                   r"(?:sensor|channel)s? (?:is |are )?(?:off|gone|lost|dead)|broken|"
                   r"not (?:recorded|there|be measured)|lack\w*|complete(?! \w)|los[et] a sensor|"
                   r"everything (?:recorded|there)|gaps",
        "heart_rate": r"heart ?rate|pulse|bpm|heart (?:\w+ ){0,2}(?:going|beat\w*)|"
                      r"beats? (?:fast\w*|"
                      r"slow\w*|quick\w*)|beats (?:a|per) min\w*|(?:heart|it) slow\w* down",
        "rmssd": r"rmssd|hrv|variability|neighbo?u?ring beats|successive (?:beats|intervals)",
        "irregularity": r"irregular\w*|how (?:un)?even",
        "trend": r"rising|falling|trend\w*|speeding up|slowing down|increasing|decreasing|steady",
        "step_rate": r"cadence|steps?|pace|footsteps?|footfalls?|strides?|gait|stepping|feet|"
                     r"foot (?:down|before|in front)|how (?:fast|quickly)|faster|slower|quicker|"
                     r"tempo|walk\w* speed|slow(?:s|ed)? down",
        "dominant_frequency": r"frequenc\w+|freq|hertz|hz|wobbl\w*|spectrum|spectral|oscillat\w*|"
                              r"repeat\w*|periodic\w*|swing\w*|rhythm of the",
        "orientation": r"gravity|axis|axes|orient\w*|vertical|tilt\w*|points? (?:down|up)|"
                       r"direction is (?:up|down)|which way|worn|turned|upside down",
        "intensity": r"intens\w*|vigorous\w*|moderate\w*|light|gentle|effort|active|lively|"
                     r"liveli\w+|energetic|energy|shak\w*|hard\w*|strong\w*|wild\w*|"
                     r"violent\w*|motionless|still|calm\w*|quiet\w*|strenuous|tough|easy|"
                     r"move(?:s|d)? (?:more|less)|(?:more|less) going on|"
                     r"(?:more|less) movement|much (?:\w+ )?(?:movement|motion|move)|"
                     r"movement level|"
                     r"(?:amount|strength|level) of (?:\w+ )?(?:movement|motion|activity)",
    }.items()
}  # fmt: skip
"""Patterns of the facts of `signals.facts`, the more telling ones first."""

COMPARING = re.compile(
    r"\b(?:second|first|both|two of|the two|these two|of them|latter|former|other one|the other|"
    r"compare\w*|between|before|previous|same|differ\w*|change\w*|which one|which of|"
    r"who has|who is|"
    r"which (?:has|is|moves|beats) (?:the )?(?:\w+er|more|less|higher|lower)|which moves|get more|"
    r"got more|get less|earlier|since|in which (?:one|of|window))\b"
)
TWO_WINDOWS = re.compile(
    r"\b(?:(?:the|these) two(?! (?:second|minute))|two windows|both windows|both of them|"
    r"(?:in|of|between) both|first or second|"
    r"(?:first|second|other|latter|former|previous) (?:windows?|one|recording)|"
    r"windows? [12]|1 (?:or|and|vs|versus) 2$|which window|than before)\b"
)
"""What speaks of two windows, however many are attached."""
COMPARATIVE = re.compile(r"\b(?:more|less|fewer|higher|lower|\w{3,}er|harder)\b")
LESS = re.compile(
    r"\b(?:less|fewer|lower|slow\w*|calm\w*|quiet\w*|weaker|gentler|softer|smaller|"
    r"not as)\b"
)
SAME = re.compile(r"\b(?:same|alike|equal|identical|no (?:change|difference))\b")
DIFFERENT = re.compile(r"\b(?:differ\w*|change\w*|switch\w*|another)\b")
ABOVE = re.compile(
    r"(?:\b(?:more than|over|above|at least|exceed\w*|greater than|higher than|faster than|"
    r"quicker than|beyond|upwards of)\b|>)"
)
BELOW = re.compile(
    r"(?:\b(?:less than|fewer than|under|below|at most|slower than|lower than|smaller than)\b|<)"
)
OPENS_YES_NO = re.compile(
    r"^(?:(?:but|and|so|ok|okay|hey|well|really|quick one|sorry) )*(?:is|are|was|were|am|does|do|"
    r"did|has|have|had|could|can|would|might|may|will|should)\b"
)
WHETHER = re.compile(
    r"\b(?:whether|if|(?:can|could) (?:you|one) (?:see|find|spot|detect|make out)|is it true that|"
    r"would you say|do you think|i think)\b"
)
CLOSES_YES_NO = re.compile(
    r"\b(?:(?:is|are|was|does|do|did|has|have) (?:not )?(?:he|she|it|they|i|that|there)|"
    r"right|correct|"
    r"yes or no|true or false|or not|or what|am i right|by any chance)$"
)
AGREES = re.compile(r"\b(?:right|correct|am i right|true)$")
OTHER_THAN = re.compile(r"\b(?:other than|anything but|something but|except|besides)\b")
NEGATED = re.compile(r"\b(?:not|never|no|without|neither)\b")
ASKS_WHICH = re.compile(
    r"\b(?:what|which|how|who|whom|where|when|name|tell me (?:the|what|which))\b"
)
ASKS_WHY = re.compile(
    r"\b(?:why|how come|how so|reasons?|reasoning|explain|justify|evidence|grounds|because)\b"
)
POLITE = re.compile(
    r"^(?:(?:please|sorry|hey|hi|ok|okay|well|so|but|and|now|quick question|in this window|"
    r"i (?:want|would like|d like) to know|i was wondering about|do you (?:happen to )?know|"
    r"any idea|give me|tell me|let me know|name|say|check|rate|estimate|for me) |"
    r"(?:can|could|would|will) (?:you|u) (?:please )?"
    r"(?=tell|let|check|rate|explain|estimate|give|name|count|identify|justify))*"
)
STATES = re.compile(
    r"^(?:there (?:is|are)|(?:he|she|they|it|i|this|somebody|someone|the \w+(?: \w+){0,4}?) "
    r"(?:is|are|am|shows?|moves?)) (?!what|which|how)"
)
UNSENSED = re.compile(
    r"\b(?:blood|pressure|cholesterol|glucose|sugar|oxygen|saturation|spo2|temperature|temp|"
    r"weather|"
    r"rain\w*|gps|location|city|country|altitude|age|how old|gender|sex|man or a woman|"
    r"weight|weigh|(?:his|her|their|s|wearers?|person) name|"
    r"heavy|height|tall|calories|happy|sad|mood|emotion\w*|thinking|song|music|color|colour|brand|"
    r"battery|floors|job|salary|married|pregnant|diabetes|medication|surgery|stroke|tomorrow|"
    r"yesterday|last night|alcohol|shoes|shirt|handed|talking to|hurt|pain|hot|emails?|boss|"
    r"breakfast|lunch|dinner|(?:what|which) (?:time|date|day|year)|time of day|when (?:was|did)|"
    r"how far|bmi|body fat|diagnos\w+|disease|ill|sick)\b"
)
GENERAL = re.compile(
    r"^(?:hello|hi|hey|thanks?|good (?:morning|evening)|bye)"
    r"(?: (?:there|you|so much|a lot|very much|all|again))*$|"
    r"\bjoke\b|"
    r"\bwho are you\b|\bare you (?:able|a|an)\b|\byou able\b|\btranslate\b|\bcapital of\b|"
    r"\bshould (?:one|people|you|we|i)\b|\bstand for\b|\bwhat does (?:an? )?\w+ (?:mean|"
    r"measure|do)$|"
    r"\b(?:is|are) (?:\w+ ){1,3}(?:good|bad|healthy|unhealthy|dangerous|harmful)\b|\btips?\b|"
    r"\badvice\b|\bhelps? against\b|^what is an? |^how (?:can|do) (?:one|people|we|i) |"
    r"^why (?:is|are|do|does) (?!he|she|it|this|that|they|you|the)|\bin general\b|\busually\b|"
    r"^what is \d"
)
