"""The English that the offline planner knows, as tables; the nouns come from the cut-outs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reelwright_core import verbs
from reelwright_core.story import Action, CameraMove, Direction, Lens, Place, RelationKind, Size


def _several(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTION_WORDS = _several(
    """
    a an the this that these those its his her their my your our whose of is are was were be
    been being am has have had having do does did will would can could shall should may
    might must let lets it's there here to from in on at into onto out off up by for with as
    and or but so then also too than if when where which who whom what how it they he she we
    you i them him us me itself himself herself themselves one ones first second third next
    now later soon after afterwards afterward before while meanwhile finally lastly
    eventually once again until during just only very really quite still already some any
    each every all both other another same time simultaneously together across along through
    around over between about against towards toward past within inside outside upon via
    named called s t re ll ve m d scene shot int ext est day camera view picture frame
    screen ground floor air
    """
)
"""Words that carry no picture of their own; they are never listed as left out."""

ARTICLES: Mapping[str, str] = {
    "a": "new", "an": "new", "another": "new",
    "the": "same", "this": "same", "that": "same", "these": "same", "those": "same",
    "its": "same", "his": "same", "her": "same", "their": "same", "my": "same", "your": "same",
    "our": "same", "both": "same", "each": "same", "every": "same", "all": "same",
    "some": "new", "any": "new",
}  # fmt: skip
"""Whether a noun phrase brings something new or means something seen before."""

NUMBERS: Mapping[str, int] = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "dozen": 12, "a dozen": 12, "dozens of": 12,
    "single": 1, "a single": 1, "pair of": 2, "a pair of": 2, "couple of": 2, "a couple of": 2,
    "few": 3, "a few": 3, "several": 3, "many": 5, "group of": 4, "a group of": 4,
    "lots of": 5, "a lot of": 5, "trio of": 3, "a trio of": 3, "twin": 2,
    "hundred": 100, "a hundred": 100, "hundreds of": 100, "thousand": 1000,
    "thousands of": 1000, "million": 1_000_000,
    "flock of": 5, "a flock of": 5, "herd of": 4, "a herd of": 4, "pack of": 4, "a pack of": 4,
    "swarm of": 7, "a swarm of": 7, "school of": 5, "a school of": 5,
}  # fmt: skip
PLURAL_COUNT = 2
"""How many are shown when only the plural is said."""

SIZES: Mapping[str, Size] = {
    "small": "small", "little": "small", "tiny": "small", "mini": "small", "short": "small",
    "miniature": "small", "baby": "small", "smaller": "small",
    "big": "large", "large": "large", "huge": "large", "giant": "large", "great": "large",
    "enormous": "large", "gigantic": "large", "massive": "large", "tall": "large",
    "bigger": "large", "larger": "large", "medium": "medium", "medium-sized": "medium",
}  # fmt: skip

_PLACES: Mapping[Place, str] = {
    "beach": "beach, beaches, shore, seashore, coast, seaside, sand, sandy beach, dunes, "
    "coastline, beachfront, waterfront",
    "meadow": "meadow, meadows, field, fields, grass, garden, park, lawn, farm, pasture, "
    "countryside, hill, hills, hillside, prairie, backyard, yard, playground, grassland, valley",
    "city": "city, town, downtown, village, square, city square, market, plaza, cityscape, suburb",
    "road": "road, roads, street, streets, highway, motorway, lane, avenue, path, city street, "
    "racetrack, driveway, alley, crossroads, sidewalk, parking lot",
    "forest": "forest, forests, wood, woods, jungle, woodland, rainforest",
    "snow": "snow, ice, glacier, arctic, north pole, snowfield, winter, snowy field, ski slope",
    "desert": "desert, deserts, sahara, wasteland, savanna, savannah, canyon",
    "sea": "sea, ocean, water, lake, river, pond, underwater, bay, harbour, harbor, lagoon",
    "night": "night, midnight, night sky, starry sky, dark, darkness",
    "space": "space, outer space, cosmos, galaxy, universe, orbit",
    "room": "room, kitchen, bedroom, living room, house interior, office, hall, classroom, "
    "indoors, bathroom, hallway, apartment, garage, shop, restaurant, school, gym, lounge, studio",
    "sky": "sky, skies, blue sky, heavens",
    "plain": "plain, plain background, empty background, white background, nowhere",
}
PLACES: Mapping[str, Place] = {
    word.strip(): place for place, words in _PLACES.items() for word in words.split(",")
}

_VERBS: Mapping[Action, str] = {
    "moves": "move go drive run walk fly swim sail travel ride race rush dash sprint jog march "
    "glide slide crawl creep wander stroll trot gallop float drift speed cruise hurry dart swoop "
    "head paddle row pass cross slither enter cycle ski skate surf steer fare waddle scurry "
    "stride tiptoe zip proceed turn soar",
    "falls": "fall drop plunge plummet tumble collapse",
    "bounces": "bounce rebound",
    "rolls": "roll",
    "rises": "rise ascend climb launch lift",
    "approaches": "approach come arrive",
    "leaves": "leave depart vanish disappear exit flee escape retreat withdraw",
    "circles": "circle orbit spin rotate twirl revolve whirl loop swirl",
    "jumps": "jump hop leap bound skip",
    "stays": "stay stand sit wait sleep rest stop pause lie remain park hang halt hover freeze "
    "linger perch",
    "topples": "topple tip keel",
    "collides": "collide crash bump smash",
    "waves": "wave flutter flap billow",
    "swings": "swing sway dangle",
    "pours": "pour",
}
DOWN_VERBS = ("land", "descend", "sink", "dive")

TRANSITIVE: Mapping[str, tuple[Action, Action, RelationKind | None]] = {
    "ride": ("moves", "moves", "on"),
    "drive": ("moves", "moves", "on"),
    "push": ("moves", "moves", "follows"),
    "throw": ("stays", "moves", "near"),
    "toss": ("stays", "moves", "near"),
    "kick": ("stays", "moves", "near"),
    "drop": ("stays", "falls", "near"),
    "bounce": ("stays", "bounces", "near"),
    "roll": ("stays", "rolls", "near"),
    "lift": ("stays", "rises", "near"),
    "raise": ("stays", "rises", "near"),
    "launch": ("stays", "rises", "near"),
    "spin": ("stays", "circles", "near"),
    "walk": ("moves", "moves", "near"),
    "hit": ("collides", "collides", "meets"),
    "strike": ("collides", "collides", "meets"),
    "knock": ("collides", "topples", "meets"),
    "topple": ("collides", "topples", "meets"),
    "tip": ("collides", "topples", "meets"),
    "swing": ("stays", "swings", "near"),
    "wave": ("stays", "waves", "near"),
    "pour": ("stays", "pours", "near"),
}
"""What a verb with an object makes of its subject, of its object, and how they stand."""

OVER_VERBS = ("fall", "tip", "topple", "tumble", "keel", "knock")
"""Verbs that with `over` say that something topples."""

HITTING_VERBS = ("hit", "strike", "knock", "topple", "tip")
"""Verbs whose object is hit."""
COLLIDING_VERBS = ("collide", "crash", "bump", "smash", "knock")
"""Verbs whose `into`, `with` and `against` say what is hit."""

RELATION_VERBS: Mapping[str, RelationKind] = {
    "follow": "follows", "chase": "follows", "pursue": "follows", "trail": "follows",
    "meet": "meets", "greet": "meets", "encounter": "meets",
}  # fmt: skip
TURNED_VERBS = ("lead", "pull")
"""Verbs whose object follows their subject."""

SPEECH_VERBS = ("say", "ask", "shout", "reply", "answer", "whisper", "yell", "tell", "cry", "call")

PARTICLE_VERBS = ("take", "blast")
"""Verbs that mean something only with their particle: `takes off`."""

IRREGULAR: Mapping[str, str] = {
    "go": "goes went gone going", "take": "took taken", "drive": "drove driven",
    "run": "ran running",
    "fly": "flew flown flies flying", "swim": "swam swum swimming", "ride": "rode ridden",
    "fall": "fell fallen", "rise": "rose risen", "leave": "left leaving", "come": "came",
    "leap": "leapt", "stand": "stood", "sit": "sat sitting", "sleep": "slept",
    "stay": "stays stayed staying", "lie": "lay lain lying", "hang": "hung",
    "spin": "spun spinning",
    "meet": "met", "throw": "threw thrown", "creep": "crept", "slide": "slid", "sink": "sank sunk",
    "speed": "sped", "dive": "dove", "freeze": "froze frozen", "flee": "fled fleeing",
    "tumble": "tumbled", "withdraw": "withdrew", "lead": "led", "say": "said", "tell": "told",
    "cry": "cries cried", "hurry": "hurries hurried", "scurry": "scurries scurried",
    "stride": "strode", "tiptoe": "tiptoes tiptoeing",
    "hit": "hit", "strike": "struck", "swing": "swung",
}  # fmt: skip

_DOUBLED = _several(
    """
    run swim jog drop stop trot spin sit hop skip zip plan step hit tip flap
    """
)


def inflected(base: str) -> Iterator[str]:
    """The forms of a verb: `drive`, `drives`, `driving`, `drove`, ..."""
    return verbs.forms(base, irregular=IRREGULAR, doubled=_DOUBLED)


def _verb_forms() -> dict[str, str]:
    bases = [base for words in _VERBS.values() for base in words.split()]
    bases += [
        *DOWN_VERBS,
        *TRANSITIVE,
        *RELATION_VERBS,
        *TURNED_VERBS,
        *SPEECH_VERBS,
        *PARTICLE_VERBS,
    ]
    return {form: base for base in bases for form in inflected(base)}


ACTIONS: Mapping[str, Action] = {
    **{base: action for action, words in _VERBS.items() for base in words.split()},
    **dict.fromkeys(DOWN_VERBS, "moves"),
}
"""What a verb without an object does."""

VERB_FORMS: Mapping[str, str] = _verb_forms()
"""From every form of a verb to its base."""

DIRECTIONS: Mapping[str, Direction] = {
    "to the right": "right", "right": "right", "rightward": "right", "rightwards": "right",
    "from left to right": "right", "from the left to the right": "right", "left to right": "right",
    "towards the right": "right", "toward the right": "right", "from the left": "right",
    "from left": "right", "to the right side": "right", "from the left side": "right",
    "to right": "right", "eastward": "right", "eastwards": "right",
    "to the left": "left", "left": "left", "leftward": "left", "leftwards": "left",
    "from right to left": "left", "from the right to the left": "left", "right to left": "left",
    "towards the left": "left", "toward the left": "left", "from the right": "left",
    "from right": "left", "to the left side": "left", "from the right side": "left",
    "to left": "left", "westward": "left", "westwards": "left",
    "up": "up", "upward": "up", "upwards": "up", "into the air": "up", "into the sky": "up",
    "to the top": "up", "to the sky": "up", "skyward": "up", "skywards": "up",
    "in the air": "up", "from bottom to top": "up",
    "down": "down", "downward": "down", "downwards": "down", "to the bottom": "down",
    "from the sky": "down", "from above": "down", "from top to bottom": "down",
    "out of the sky": "down", "from the air": "down",
}  # fmt: skip

POSITIONS: Mapping[str, Direction] = {
    "on the left": "left", "at the left": "left", "on the left side": "left",
    "on the right": "right", "at the right": "right", "on the right side": "right",
}  # fmt: skip

TURNS: Mapping[str, Action] = {
    "away": "leaves", "off": "leaves", "out of the picture": "leaves", "out of view": "leaves",
    "out of the frame": "leaves", "out of frame": "leaves", "into the distance": "leaves",
    "out of sight": "leaves", "off screen": "leaves", "off-screen": "leaves", "from view": "leaves",
    "closer": "approaches", "nearer": "approaches", "towards us": "approaches",
    "toward us": "approaches", "towards the camera": "approaches", "to the camera": "approaches",
    "toward the camera": "approaches", "towards the viewer": "approaches",
    "towards me": "approaches", "towards you": "approaches", "to us": "approaches",
    "in circles": "circles", "in a circle": "circles", "around": "circles",
    "round and round": "circles", "around and around": "circles",
    "up and down": "jumps",
}  # fmt: skip
"""Words after a verb of moving that make another action of it."""

TURN_PHRASES: Mapping[tuple[str, str], Action] = {
    ("lift", "off"): "rises", ("take", "off"): "rises", ("blast", "off"): "rises",
    ("rise", "off"): "rises", ("fall", "off"): "falls", ("drop", "off"): "falls",
    ("fall", "away"): "falls", ("turn", "around"): "circles", ("turn", "off"): "leaves",
    ("jump", "off"): "jumps", ("jump", "around"): "jumps", ("bounce", "around"): "bounces",
    ("bounce", "off"): "bounces", ("roll", "away"): "rolls", ("roll", "off"): "rolls",
    ("bounce", "away"): "bounces", ("stand", "around"): "stays", ("sit", "around"): "stays",
}  # fmt: skip

RELATIONS: Mapping[str, RelationKind] = {
    "to the left of": "left of", "left of": "left of", "on the left of": "left of",
    "at the left of": "left of", "on the left side of": "left of", "to the left side of": "left of",
    "to the right of": "right of", "right of": "right of", "on the right of": "right of",
    "at the right of": "right of", "on the right side of": "right of",
    "to the right side of": "right of",
    "above": "above", "over": "above", "high above": "above",
    "below": "below", "under": "below", "underneath": "below", "beneath": "below",
    "on": "on", "on top of": "on", "upon": "on", "atop": "on", "onto": "on",
    "behind": "behind", "in back of": "behind", "in front of": "in front of",
    "near": "near", "next to": "near", "beside": "near", "by": "near", "close to": "near",
    "alongside": "near", "with": "near", "against": "near", "nearby": "near",
    "at the foot of": "near", "side by side with": "near", "together with": "near",
}  # fmt: skip

LOOSE: Mapping[str, str] = {
    "at": "", "to": "", "towards": "", "toward": "", "from": "", "off": "",
    "out of": "", "past": "",
    "around": "", "into": "into", "in": "in", "inside": "inside", "through": "through",
    "across": "", "along": "", "between": "between", "among": "among", "about": "",
    "for": "", "within": "within", "outside": "outside", "down": "down", "up": "up",
    "in the middle of": "", "at the edge of": "", "at the side of": "", "in the direction of": "",
}  # fmt: skip
"""Prepositions that stand for `near` where a thing follows them; a named one is left out."""

CAMERA: Mapping[str, CameraMove] = {
    "camera pans left": "pan left", "camera pans to the left": "pan left", "pan left": "pan left",
    "camera moves left": "pan left", "camera moves to the left": "pan left",
    "camera pans right": "pan right", "camera pans to the right": "pan right",
    "pan right": "pan right", "camera moves right": "pan right", "pans left": "pan left",
    "camera moves to the right": "pan right", "pans right": "pan right", "camera pans": "pan right",
    "camera zooms in": "zoom in", "zoom in": "zoom in", "zooms in": "zoom in",
    "camera zooms": "zoom in", "camera moves closer": "zoom in", "camera comes closer": "zoom in",
    "camera zooms out": "zoom out", "zoom out": "zoom out", "zooms out": "zoom out",
    "camera moves back": "zoom out", "zooming in": "zoom in", "zooming out": "zoom out",
    "panning left": "pan left", "panning right": "pan right", "static camera": "static",
    "camera is still": "static", "camera stays still": "static",
}  # fmt: skip

_LENSES: Mapping[Lens, str] = {
    "wide": "wide shot, wide angle, wide view, wide-angle shot, establishing shot, "
    "extreme wide shot, very wide shot, panorama",
    "normal": "medium shot, mid shot",
    "long": "close-up, closeup, close up, close shot, close view, extreme close-up, big close-up, "
    "close-up shot",
}
LENSES: Mapping[str, Lens] = {
    "close on": "long", "closer on": "long", "from afar": "wide", "from far away": "wide",
    "seen from afar": "wide", "seen from far away": "wide",
    **{
        f"{article}{phrase.strip()}{of}": lens
        for lens, phrases in _LENSES.items()
        for phrase in phrases.split(",")
        for article in ("", "a ", "an ", "in a ", "in an ", "in ")
        for of in ("", " of", " on")
    },
}  # fmt: skip
"""How much of the place is seen; `long shot` has two meanings and is not among them."""

TOGETHER = (
    "while", "as", "at the same time", "meanwhile", "simultaneously", "at once", "in the meantime",
    "during this", "whilst",
)  # fmt: skip
THEN = (
    "then", "and then", "after that", "afterwards", "afterward", "next", "finally", "lastly",
    "later", "eventually", "soon after", "in the end", "at last", "before long", "after a while",
    "until", "now", "at the end", "but then",
)  # fmt: skip
FIRST = (
    "first",
    "at first",
    "once",
    "to begin",
    "in the beginning",
    "at the start",
    "once upon a time",
)
AFTER = ("after", "when", "as soon as")
BEFORE = ("before",)

_WINDS: Mapping[str, str] = {
    "": "", "light": "light", "soft": "light", "gentle": "light", "slight": "light",
    "weak": "light", "faint": "light", "mild": "light",
    "strong": "strong", "stiff": "strong", "heavy": "strong", "high": "strong",
    "fierce": "strong", "hard": "strong", "violent": "strong", "powerful": "strong",
}  # fmt: skip
WINDS: Mapping[str, str] = {
    " ".join(filter(None, (preposition, article, kind, word))): f"{strength} wind".strip()
    for preposition in ("in", "by", "with")
    for article in ("", "a", "the")
    for word, plain in (("wind", ""), ("winds", ""), ("breeze", "light"), ("gale", "strong"),
                        ("storm", "strong"))
    for kind, said in _WINDS.items()
    for strength in (said or plain,)
}  # fmt: skip
"""From words such as `in a strong wind` to what a thing is told of it: `strong wind`."""

THINGS: Mapping[str, tuple[str, bool]] = {
    "glass": ("glass", False), "glasses": ("glass", True),
}  # fmt: skip
"""Nouns that other tables have with another meaning: the noun, and whether it is the plural."""
POURED: Mapping[str, tuple[str, bool]] = {"water": ("water", False)}
"""Such nouns in sentences that pour something."""

PRONOUNS: Mapping[str, str] = {
    "it": "one", "he": "one", "she": "one", "him": "one", "itself": "self", "himself": "self",
    "herself": "self", "themselves": "self", "they": "many", "them": "many",
}  # fmt: skip
RELATIVES = ("that", "which", "who")
COPULAS = (
    "is",
    "are",
    "was",
    "were",
    "be",
    "being",
    "been",
    "'s",
    "'re",
    "am",
    "becomes",
    "turns into",
)
THERE = (
    "there is", "there are", "there was", "there were", "there's", "we see", "you see", "i see",
    "here is", "here are",
)  # fmt: skip
NEGATIONS = (
    "not",
    "never",
    "no",
    "n't",
    "cannot",
    "nobody",
    "nothing",
    "without",
    "don't",
    "doesn't",
)

NEUTRAL = (
    "on the ground", "to the ground", "onto the ground", "the ground", "on the floor",
    "to the floor", "onto the floor", "the floor", "into view", "into the picture",
    "into the frame", "into frame", "across the screen", "across the picture", "on the screen",
    "in the picture", "in the middle", "in the center", "in the centre", "the camera", "the scene",
    "a picture of", "a video of", "a shot of", "a clip of", "a scene with", "a film of",
    "a movie of", "a group", "a couple", "one by one", "as well as", "such as", "at the end",
    "a photo of", "from one side to the other", "across the frame", "by itself", "of course",
    "during the day", "in the daytime", "by day",
)  # fmt: skip
"""Phrases that change nothing in the picture."""

ADJECTIVES = _several(
    """
    morning afternoon evening dawn dusk sunset sunrise noon summer spring autumn moment
    happy sad angry old young new beautiful pretty ugly good bad nice cute funny lazy brave
    shy fast slow quick loud quiet soft hard hot cold warm cool wet dry dirty clean shiny
    bright dark light heavy round square long wide narrow thin thick fat strong weak rich
    poor sunny rainy cloudy foggy windy snowy stormy calm wild empty full broken wooden
    golden silver metal plastic glass magic magical friendly hungry thirsty tired sleepy
    busy lonely alone lost same different scared afraid proud strange mysterious famous
    electric modern ancient vintage realistic cinematic detailed colourful colorful open
    closed deep shallow steep flat smooth rough lovely amazing wonderful perfect final whole
    own real fresh sweet fluffy furry little-known gentle
    """
)
"""Common describing words: never nouns, always left out."""
ADVERBS = _several(
    """
    fast slowly quickly suddenly happily sadly always often sometimes ever almost again back
    forth straight home everywhere somewhere away forward forwards backward backwards twice
    thrice today tomorrow yesterday tonight soon well hard early late far forever together
    apart there here
    """
)

PLACE_PREPOSITIONS = _several(
    """
    on in at along across through over into onto by near inside to towards toward from
    around above under upon via within beside past between outside underneath down up
    """
)

TIMES_OF_DAY = _several(
    """
    day morning afternoon noon continuous later same moments dawn dusk evening sunset
    sunrise
    """
)
"""What a scene heading says after its dash; only night changes the picture."""
PLAIN_TIMES = _several(
    """
    day continuous later same moments
    """
)

EXAMPLE = "A red car drives from left to right on a beach. Then a ball falls and bounces."
"""A sentence that can be filmed, for messages."""
