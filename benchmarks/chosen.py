"""On whose windows anything was chosen, table by table: a figure whose test people chose says less.

    CHOSEN["rhythm"]        the line that stands below that table

Tables of speed choose nothing and have no line.
"""

from collections.abc import Mapping

VALIDATION = "Chosen on validation people, who are never test people"
STEPS = f"{VALIDATION}: which step's weights are kept. Settings are the recipe's."
PROBES = f"{VALIDATION}: when training stops, and the regularisation of probes."
FIXED = "Nothing was chosen on anybody: settings and steps are fixed"
FORMS = (
    f"{VALIDATION}: which form of numbers is tried further, and what is fitted to it (a soft "
    "prompt's weights, a probe's layer)."
)
EXTENDED = (
    f"{FIXED}, with two exceptions: how unseen words are trained was chosen on validation people "
    "and other unseen words, and of `bundled` the adapter over three data sets was extended after "
    "a look at test people, from 100 to 300 steps and from one to three seeds after two misses."
)

CHOSEN: Mapping[str, str] = {
    "summary": STEPS,
    "adapters": STEPS,
    "repeated": STEPS,
    "encoders": PROBES,
    "comparison": FORMS,
    "questions": STEPS,
    "human_questions": (
        f"{STEPS} The router: on the validation half of the questions. The test half was asked "
        "three times, of earlier routers: since the third, known wordings are looked up and a "
        "label's meaning is beyond the window. Before the third look three faults of the benchmark "
        "were mended: windows of all labels are drawn, a label given as the likeliest counts, "
        "questions of two parts are asked only where both can be judged. Whoever changed the "
        "router had seen label wordings of both halves."
    ),
    "llm_worth": EXTENDED,
    "llm_sentences": EXTENDED,
    "conversation": STEPS,
    "bridges": STEPS,
    "asthma": STEPS,
    "quantised": STEPS,
    "rhythm_numbers": FORMS,
    "outputs": f"{VALIDATION}: the penalty of ridge regression. Steps are fixed.",
    "rhythm": f"{STEPS} The trees' size and weights, too.",
    "stress": f"{STEPS} The trees' size and weights, too.",
    "leave_one_out": (
        f"{STEPS} How orientation is heard, and the steps: on validation people, too. Two patches "
        "and stronger augmentation were tried on one fold, after a look at its teaching people. "
        "This is the second run: the first (150 windows, 250 steps of the encoder) was behind the "
        "forest on two devices; this one has the settings of `any-motion` and more windows."
    ),
    "devices": f"{STEPS} Thresholds of what is unlike: training and validation people.",
    "unlike": f"{VALIDATION}: thresholds and temperature, on training and validation people.",
    "few_people": (
        f"{STEPS} The default encoder: on some of these people, who are not judged in this table."
    ),
    "calibration": f"{FIXED}; who calibrates is what is compared, on test people.",
    "missing_sensors": "All are validation people: the default was chosen by this table.",
    "headline": PROBES,
    "few_labels": PROBES,
    "missing": PROBES,
    "missing_finetuning": PROBES,
    "against_random": PROBES,
    "reconstruction_parts": PROBES,
    "joint": PROBES,
    "masking": PROBES,
    "aggregator": PROBES,
    "others": PROBES,
    "inception": PROBES,
    "transfer": PROBES,
    "uci_har_study": PROBES,
}
