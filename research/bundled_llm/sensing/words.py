"""Words the sensing text draws from: activities, arbitrary labels, people."""

import random


def _words(text: str) -> tuple[str, ...]:
    """Split a table of words at its bars, or at its spaces if it has none."""
    parts = text.replace("\n", "").split("|") if "|" in text else text.split()
    return tuple(part.strip() for part in parts)


ACTIVITIES = _words(
    """
walking|sitting|standing|lying|lying down|laying|running|jogging|cycling|climbing stairs|
walking upstairs|walking downstairs|going upstairs|going downstairs|stairs|sleeping|resting|
eating|drinking|typing|writing|reading|cooking|driving|swimming|dancing|jumping|rowing|hiking|
cleaning|washing dishes|brushing teeth|folding clothes|clapping|kicking a ball|dribbling|
playing catch|eating soup|eating a sandwich|eating chips|eating pasta|drinking from a cup|
working at a desk|talking|waiting|stretching|gardening|shopping|skipping rope|walking fast|
walking slowly|standing still|rest|exercise|light exercise|hard exercise
"""
)

STATES = _words(
    """
stress|calm|relaxed|baseline|amusement|meditation|happy|sad|angry|afraid|tired|awake|asleep|
light sleep|deep sleep|dream sleep|normal|abnormal|low|medium|high|weak|strong|moderate|slow|
fast|active|inactive|healthy|irregular|regular|rising|falling|steady|on|off|open|closed|warm|
cold|fall|no fall|noise|artefact|clean|left|right|up|down|seizure|no seizure|present|absent
"""
)

THINGS = _words(
    """
apple banana cherry orange pear grape melon peach plum bread butter cheese rice soup salt sugar
honey coffee milk water juice cat dog horse cow sheep goat pig hen duck goose fox wolf bear lion
tiger mouse snake frog fish whale shark eagle owl crow bee ant spider river lake sea mountain
hill valley forest beach road bridge tower castle house garden kitchen window door table chair
lamp clock mirror bottle cup plate spoon knife fork box bag basket rope ladder nail saw wheel
train bus car truck boat ship plane bicycle paper pencil book letter map coin key ring hat coat
shoe shirt glove scarf button needle thread wool silk cotton gold silver iron copper glass stone
brick wood sand clay snow rain wind storm cloud sun moon star planet summer winter spring autumn
morning evening night noon red blue green yellow black white purple brown grey pink circle square
triangle line dot cube piano guitar drum flute violin trumpet song dance music film doctor nurse
teacher farmer baker pilot sailor soldier painter singer writer judge king queen prince tennis
football hockey chess golf ski swim medicine heart lung brain bone skin hand foot knee eye ear
nose tooth hair Paris London Rome Berlin Tokyo Cairo Delhi Lima Oslo Madrid Monday Tuesday
Wednesday Thursday Friday Saturday Sunday January March April June July August alpha beta gamma
delta omega yes no true false one two three four five north south east west history science
physics biology art law money market school office factory hospital library museum station
airport ability account actor address advice age agent air alarm album amount anger angle animal
answer arm army artist aunt author axe baby back badge ball balloon bank bar barn base bath bay
beam bean beard beauty bed beer beetle bell belt bench berry bill birth biscuit block blood board
body bomb boot border boss bow bowl boy branch brass breath breeze bride broom brother bucket bud
bulb bull bunch burger bush business butterfly cabin cable cage cake calf camel camp canal candy
canoe cap captain card carrot cart cave ceiling cell chain chalk chance change channel chapter
charm chest chicken chief child chin chocolate choice church circus city class classroom clerk
cliff climate cloth club coach coal coast coconut code coffin collar college colour comb comet
company compass concert cook copy corn corner cough count country couple course court cousin
cover crab cradle crane crayon cream crew crime crop crowd crown cry cupboard curtain curve
cushion customer cycle dad damage danger date daughter dawn day deal deer desk detail device dew
diamond diary dinner dirt dish ditch dolphin dragon drawer dream dress drill drink driver drop
dust duty earth echo edge egg elbow energy enemy engineer error event exam example expert face
fact fair fairy family fan farm father feather fence fever field fig finger fire flag flame
flavour flea flood floor flour flower fly fog food forehead fountain frame friend fruit fuel fun
fur future game garage gas gate giant gift ginger giraffe girl glue government grain grandfather
grandmother grass grave group guard guest guide gun guy habit hall harbour harp hawk head health
heat heaven hedge heel herb hero hobby hole holiday home honour hood hook hope horn hotel hour
human hunger hunter hut ice idea inch insect iris ivory jacket jail jam jar jaw jewel job joke
journey joy jug jungle kid kite kitten label lace lady lamb land lane language laugh lead leader
leaf leather leg lesson level life light limit link lip list load loaf lock log love luck lunch
machine magic magnet mail man mango manner marble mark marriage mask mass mat match meal meat
meeting member memory message metal method middle mile mind mine minute mist model moment monster
month mood mosquito moss moth mother motor mouth movie mud muscle mushroom nature neck nephew
nest net news newspaper niece noise noodle note notebook number nut oak oat object ocean oil
olive onion orchard order oven owner ox package page paint pair palm pan panda pants parcel
parent park part party passage path patient pattern peace peanut pebble pen people pepper person
pet phone photo picture pie pigeon pillow pin pipe pirate pitch place plan plant plastic platform
play player poem poet point poison police pond pony pool powder power present president price
pride prize problem product pumpkin puppet puppy purse quarter question race radio rail raisin
rank rat reason recipe record reptile result reward rhythm ribbon riddle rifle rock roof room
root rose rule sack saddle sail salmon sauce sausage scale scene scissors screen screw seal
season seat secret seed sense servant shade shape shed shell shelf shield shop shore shoulder
shower shrimp sign signal sink sister size skill skirt sleeve slice smell smile smoke snail soap
sock soil sound space spark speech speed spice spirit sport spot squirrel stage stamp statue
steam steel stem step stick stomach stool stop store story stove stranger straw stream street
string student style subject success suit sunset surface swan sweater swing sword syrup system
tail tank tape target taste tax taxi tea team tear tent test text theatre thief thing thumb
thunder tide tie tile time title toast toe tomato tongue tool top torch touch towel town toy
track trade trail trap travel tray treasure tree trial trip trouble truth tube tunnel turkey
turtle twin type uncle unicorn uniform unit vase vegetable vehicle vest victory video view
village vine voice wagon waist wall war wave wax way wealth weapon web wedding week weight wheat
whisper wife wing winner wire wish witness woman wonder word work worker world worm wound wrist
yard yarn year yogurt youth zebra zone
"""
)

_PLAIN_THINGS = tuple(thing for thing in THINGS if thing.islower())

ADJECTIVES = _words(
    """
red blue green small big old new fast slow quiet loud warm cold soft hard bright dark dry wet
long short heavy light round flat sweet bitter happy sad early late empty full clean
"""
)

PEOPLE = (
    *("the person", "the man", "the woman", "the child", "the patient", "the student"),
    *("the subject", "the user", "the runner", "the nurse", "someone", "the volunteer"),
    *("Anna", "Tom", "Maria", "Ben", "Lily", "Sam", "Emma", "Omar", "Grace", "Leo", "Nina", "Paul"),
)

_ONSETS = (
    "b",
    "d",
    "f",
    "g",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "z",
    "st",
    "br",
    "tr",
    "",
)
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ou")
_ENDS = ("", "", "n", "r", "s", "l", "m", "t")


def invented_word(rng: random.Random) -> str:
    """Make up a word of two or three syllables, so that copying does not rest on known words."""
    syllables = (
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_ENDS)
        for _ in range(rng.choice((2, 2, 3)))
    )
    return "".join(syllables)


def arbitrary_label(rng: random.Random) -> str:
    """Draw a label that means nothing for sensing: a thing, two words, a number, a made-up word."""
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(THINGS)
    if kind < 0.7:
        return f"{rng.choice(ADJECTIVES)} {rng.choice(_PLAIN_THINGS)}"
    if kind < 0.8:
        return f"{rng.choice(('class', 'type', 'group', 'label', 'state'))} {rng.randrange(20)}"
    if kind < 0.87:
        return rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ")
    return invented_word(rng)


def label_set(rng: random.Random, count: int) -> list[str]:
    """Draw `count` different labels of one kind: activities, states, or arbitrary ones."""
    kind = rng.random()
    if kind < 0.4:
        return rng.sample(ACTIVITIES, count)
    if kind < 0.55:
        return rng.sample(STATES, count)
    labels: dict[str, None] = {}
    while len(labels) < count:
        labels[arbitrary_label(rng)] = None
    return list(labels)


def series(rng: random.Random, items: list[str]) -> str:
    """Join words as a list in a sentence, with one of the usual last joints.

    >>> series(random.Random(0), ["a"])
    'a'
    """
    if len(items) == 1:
        return items[0]
    joint = rng.choice((", ", " or ", " and ", ", or " if len(items) > 2 else " or "))
    return ", ".join(items[:-1]) + joint + items[-1]
