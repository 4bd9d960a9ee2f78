"""Other words for what the built-in model knows; what is said in words of its own needs no entry.

What is not a word of the model at hand is no use as a target, so entries for words that it was
not taught are passed over: the tables may know more than the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reelwright_core import verbs


def _turned(table: Mapping[str, str]) -> dict[str, str]:
    return {other: word for word, others in table.items() for other in others.split(", ")}


def _several(text: str) -> frozenset[str]:
    return frozenset(text.split())


RELATIVES: Mapping[str, str] = _turned(
    {
        "car": "taxi, police car, race car, suv",
        "bus": "minibus, trolleybus",
        "train": "bullet train, railway car, tram",
        "boat": "motorboat, speedboat, ferry, freighter, canoe, ship",
        "airplane": "small airplane",
        "balloon": "hot air balloon",
        "ball": "basketball, volleyball, baseball, softball, snowball, bowling ball, "
        "billiard ball, crystal ball, disco ball",
        "dog": "poodle, guide dog",
        "cat": "black cat",
        "bird": "dove, eagle, parrot, crow, owl",
        "fish": "tropical fish",
        "tree": "pine tree, palm tree, bare tree, christmas tree",
        "house": "hut",
        "apple": "green apple",
        "woman": "old woman, girl, bride, princess, queen",
        "man": "old man, boy, groom, prince, king",
    }
)
"""Cut-outs that look much like a trained noun, by their nouns."""

PLACES: Mapping[str, str] = _turned(
    {
        "beach": "shore, seashore, coast, coastline, beachfront, dunes",
        "meadow": "lawn, garden, pasture, prairie, grassland, countryside, farm, playground",
        "city": "village, downtown, suburb, cityscape, plaza",
        "road": "lane, avenue, motorway, path, driveway, racetrack, alley",
        "forest": "jungle, woodland, rainforest, wood",
        "snow": "ice, glacier, arctic, snowfield",
        "desert": "sahara, wasteland",
        "sea": "lake, river, pond, bay, harbour, harbor, lagoon",
        "night": "midnight",
        "space": "cosmos, galaxy, universe, orbit",
        "room": "kitchen, bedroom, office, classroom, bathroom, hallway, apartment, garage, gym, "
        "living room, studio, lounge",
        "sky": "skies, heavens",
        "indoors": "inside a building",
    }
)

VERBS: Mapping[str, str] = _turned(
    {
        "move": "collide, crash, bump, slide, glide, creep, crawl, wander, proceed, slither",
        "drive": "steer, speed, cruise, ride, race",
        "run": "rush, dash, sprint, jog, gallop, trot, hurry, scurry, dart",
        "walk": "stroll, march, stride, tiptoe, waddle, trudge",
        "fly": "soar, swoop, flutter",
        "swim": "paddle",
        "fall": "topple, plunge, plummet, tumble",
        "bounce": "rebound",
        "rise": "ascend, climb, lift",
        "approach": "arrive",
        "leave": "depart, exit, flee, escape",
        "circle": "revolve, rotate, spin, twirl, whirl",
        "jump": "leap, bound, skip",
        "stay": "sit, lie, rest, sleep, pause, remain, linger, perch, stop, wave, flap, billow, "
        "swing, sway, dangle, pour",
        "follow": "pursue, trail",
        "meet": "hit, strike, greet, encounter",
    }
)
"""From the base of a verb to the base of one that shows the same."""

WEAKENED = _several("collide crash bump topple wave flap billow swing sway dangle pour hit strike")
"""Of these the word that stands for them says less."""

WORDS: Mapping[str, str] = _turned(
    {
        "two": "2, a pair of, a couple of",
        "three": "3, a trio of",
        "a": "1, one, a single, single",
        "right": "rightward, rightwards",
        "left": "leftward, leftwards",
        "up": "upward",
        "down": "downward",
        "towards": "toward",
        "below": "underneath",
        "on": "atop, upon, onto",
        "near": "nearby, close to",
        "beside": "alongside",
    }
)

FUNCTION_WORDS = _several(
    """
    that this these those its his her their my your our some any each every both all another
    other whose is are was were be been being am has have had having do does did will would can
    could shall should may might must it he they she we you i them him us me itself himself
    herself themselves who which what when where while as then also so but or if than too just
    only very really quite again once for with by off into through across around about against
    within inside outside along until during between among via here now s t re ll ve m d
    scene shot video clip film picture image frame view clearly seen
    """
)
"""Words that carry no picture of their own: the model passes over them, and nobody is warned."""

_IRREGULAR: Mapping[str, str] = {
    "go": "went gone", "drive": "drove driven", "ride": "rode ridden", "run": "ran",
    "fly": "flew flown", "swim": "swam swum", "fall": "fell fallen", "rise": "rose risen",
    "come": "came", "leave": "leaving", "stand": "stood", "sit": "sat", "lie": "lay lain lying",
    "sleep": "slept", "leap": "leapt", "creep": "crept", "slide": "slid", "speed": "sped",
    "flee": "fled fleeing", "meet": "met", "stride": "strode", "spin": "spun",
    "tiptoe": "tiptoeing", "hit": "hit", "strike": "struck", "swing": "swung",
}  # fmt: skip
_DOUBLED = _several("run swim jog drop stop trot spin sit hop skip hit flap")


def forms(base: str) -> Iterator[str]:
    """Every form of a verb: `drives`, `driving`, `drove`, `driven`, `drive`, ..."""
    return verbs.forms(base, irregular=_IRREGULAR, doubled=_DOUBLED)
