"""The offline planner follows every word of a script, or says which ones it left out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright_agents.conformance import check_planner
from reelwright_agents.offline import OfflinePlanner, coverage
from reelwright_agents.planner import Picture, ScriptKind
from reelwright_agents.reading import read_script
from reelwright_core.errors import ScriptError
from reelwright_core.story import Shot, Storyboard

PLANNER = OfflinePlanner()


def plan(text: str, *, kind: ScriptKind | None = None, frames: int = 17) -> Storyboard:
    """The storyboard of `text`, after checking that no word of it is lost."""
    script = read_script(text, kind=kind)
    storyboard = PLANNER.storyboard(script, picture=Picture(frames=frames))
    assert coverage(script, storyboard) == []
    return storyboard


def does(shot: Shot) -> list[tuple[str, str, str | None]]:
    return [(e.actor, e.action, e.direction) for e in shot.scene_graph.events]


def left(storyboard: Storyboard) -> list[str]:
    return [out.word.lower() for out in storyboard.left_out()]


def test_it_keeps_to_the_contract_of_planners() -> None:
    check_planner(PLANNER)


def test_the_same_script_gives_the_same_storyboard() -> None:
    text = "A red car drives left. Two dogs follow it in a city."
    assert plan(text) == plan(text)


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("A red car drives from left to right on a beach.", [("red-car", "moves", "right")]),
        ("A car drove to the left.", [("car", "moves", "left")]),
        ("A ball falls and bounces.", [("ball", "falls", None), ("ball", "bounces", None)]),
        ("A balloon flies up.", [("balloon", "moves", "up")]),
        ("A rocket takes off.", [("rocket", "rises", None)]),
        ("A rocket lifts off.", [("rocket", "rises", None)]),
        ("A bird flies away.", [("bird", "leaves", None)]),
        ("A dog comes closer.", [("dog", "approaches", None)]),
        ("A dog runs towards us.", [("dog", "approaches", None)]),
        ("A fish is swimming in circles.", [("fish", "circles", None)]),
        ("A cat sleeps.", [("cat", "stays", None)]),
        ("The car left.", [("car", "leaves", None)]),
        ("Two dogs hop up and down.", [("dog", "jumps", None)]),
        ("There is a house.", [("house", "stays", None)]),
        ("A bouncing ball.", [("ball", "bounces", None)]),
        ("A train leaves to the right.", [("train", "leaves", "right")]),
        ("A boy rolls a ball.", [("boy", "stays", None), ("ball", "rolls", "right")]),
    ],
)
def test_verbs_become_events(text: str, events: list[tuple[str, str, str | None]]) -> None:
    storyboard = plan(text)
    assert does(storyboard.shots[0]) == events
    assert left(storyboard) == []


@pytest.mark.parametrize(
    ("text", "relation"),
    [
        ("A cat is to the left of a house.", ("cat", "left of", "house")),
        ("A cat sits on a car.", ("cat", "on", "car")),
        ("A bird flies over a tree.", ("bird", "above", "tree")),
        ("Under a tree, a dog sleeps.", ("dog", "below", "tree")),
        ("A dog hides behind a house.", ("dog", "behind", "house")),
        ("A dog chases a cat.", ("dog", "follows", "cat")),
        ("A cat is chased by a dog.", ("dog", "follows", "cat")),
        ("A dog runs after a cat.", ("dog", "follows", "cat")),
        ("A dog meets a cat.", ("dog", "meets", "cat")),
        ("A girl stands next to a horse.", ("girl", "near", "horse")),
        ("A dog on the left and a cat on the right.", ("dog", "left of", "cat")),
    ],
)
def test_prepositions_become_relations(text: str, relation: tuple[str, str, str]) -> None:
    graph = plan(text).shots[0].scene_graph
    assert [(r.subject, r.kind, r.object) for r in graph.relations] == [relation]


def test_counts_colours_and_sizes_belong_to_their_things() -> None:
    graph = (
        plan("Three small blue birds and 2 huge dogs sit on a crimson car.").shots[0].scene_graph
    )
    told = [(e.noun, e.count, e.colour, e.size) for e in graph.entities]
    assert told == [
        ("bird", 3, "blue", "small"), ("dog", 2, None, "large"), ("car", 1, "red", "medium"),
    ]  # fmt: skip


def test_the_cast_keeps_ids_and_colours_across_shots() -> None:
    storyboard = plan(
        "A red car drives right. A blue car drives left. The red car stops. Then it bounces. "
        "The car rolls. Another red car arrives."
    )
    assert [shot.scene_graph.entities[0].id for shot in storyboard.shots] == [
        "red-car", "blue-car", "red-car", "red-car", "red-car", "red-car-2",
    ]  # fmt: skip
    assert all(
        entity in storyboard.story.cast
        for s in storyboard.shots
        for entity in s.scene_graph.entities
    )


def test_a_name_belongs_to_who_it_was_given_to() -> None:
    storyboard = plan("ANNA, a girl, walks. Then Anna jumps. She sleeps.")
    assert [s.scene_graph.entities[0].noun for s in storyboard.shots] == ["girl"] * 3
    assert {s.scene_graph.entities[0].id for s in storyboard.shots} == {"anna"}
    assert left(storyboard) == []


def test_descriptions_join_the_shot_before() -> None:
    storyboard = plan("A car drives left. It is red. A ball falls. The ball is small.")
    assert len(storyboard.shots) == 2
    assert storyboard.shots[0].scene_graph.entities[0].colour == "red"
    assert storyboard.shots[1].scene_graph.entities[0].size == "small"


def test_order_words_divide_the_frames() -> None:
    for text in (
        "A ball falls, then a dog jumps.", "After a ball falls, a dog jumps.",
        "A dog jumps after a ball falls.", "A ball falls before a dog jumps.",
        "Before a dog jumps, a ball falls.",
    ):  # fmt: skip
        spans = {
            e.actor: (e.frames.first, e.frames.last) for e in plan(text).shots[0].scene_graph.events
        }
        assert spans == {"ball": (0, 7), "dog": (8, 16)}, text


def test_while_and_at_the_same_time_overlap() -> None:
    for text in (
        "A ball falls while a dog jumps.", "A ball falls and a dog jumps.",
        "While a ball falls, a dog jumps.", "A ball falls. At the same time, a dog jumps.",
    ):  # fmt: skip
        storyboard = plan(text)
        assert len(storyboard.shots) == 1, text
        assert {
            (e.frames.first, e.frames.last) for e in storyboard.shots[0].scene_graph.events
        } == {(0, 16)}


def test_a_place_holds_until_another_is_said() -> None:
    storyboard = plan("A dog runs on the shore. It jumps. A car drives in a town. It stops.")
    assert [shot.place for shot in storyboard.shots] == ["beach", "beach", "city", "city"]


def test_unknown_things_are_shapes_and_unknown_words_are_left_out() -> None:
    storyboard = plan("A purple zonk chases a happy cat quickly in Paris.")
    zonk = storyboard.shots[0].scene_graph.entities[0]
    assert (zonk.noun, zonk.known, zonk.colour) == ("zonk", False, "purple")
    assert set(left(storyboard)) == {"zonk", "happy", "quickly", "paris"}


def test_what_is_denied_is_left_out() -> None:
    storyboard = plan("A bird does not fly. A dog runs.")
    assert "fly" in left(storyboard)
    assert does(storyboard.shots[0]) == [("bird", "stays", None)]


def test_the_camera_moves() -> None:
    assert plan("A dog runs on a road. The camera pans left.").shots[0].camera == "pan left"


def test_quotations_are_dialogue() -> None:
    storyboard = plan('A man walks. The man says "Hello. A dog!" and leaves.')
    assert [(line.speaker, line.text) for line in storyboard.shots[1].dialogue] == [
        ("man", "Hello. A dog!")
    ]


def test_fountain_gives_scenes_places_and_dialogue() -> None:
    storyboard = plan(
        "Title: The Trip\n\nEXT. BEACH - DAY\n\nA red car drives left. A dog runs.\n\n"
        "MAN\n(softly)\nHi.\n\n"
        "INT. KITCHEN - NIGHT\n\nThe dog sleeps.\n\nEXT. NIGHT\n\nGIRL\nWho is there?\n"
    )
    assert storyboard.story.title == "The Trip"
    assert [(s.scene, s.place) for s in storyboard.shots] == [
        ("1", "beach"), ("1", "beach"), ("2", "room"), ("3", "night"),
    ]  # fmt: skip
    assert storyboard.shots[1].dialogue[0].text == "Hi."
    assert storyboard.shots[3].scene_graph.entities[0].noun == "girl"


def test_markdown_headings_are_title_and_scenes() -> None:
    storyboard = plan(
        "# My Film\n\n## At the beach\n\n- A *red* car drives.\n- A dog runs.\n\n## City\n\nA bus."
    )
    assert storyboard.story.title == "My Film"
    assert [(s.scene, s.place) for s in storyboard.shots] == [
        ("1", "beach"),
        ("1", "beach"),
        ("2", "city"),
    ]


def test_each_prompt_is_a_shot_of_its_own() -> None:
    storyboard = plan("a red car on a beach\na dog jumps. It is brown.\na red car", kind="prompts")
    assert [shot.place for shot in storyboard.shots] == ["beach", "plain", "plain"]


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("A red car drives right on the sand.", "a red car moves from left to right on a beach"),
        ("Two dogs hop in the grass.", "two dogs jump in a meadow"),
        ("A blue ball drops and bounces on the street.", "a blue ball falls and bounces on a road"),
        ("In a field, a cat is left of a house.", "a cat to the left of a house in a meadow"),
    ],
)
def test_prompts_are_plain(text: str, prompt: str) -> None:
    assert plan(text).shots[0].prompt == prompt


@pytest.mark.parametrize("frames", [1, 4, 17, 81])
def test_shots_of_any_length_cover_their_frames(frames: int) -> None:
    storyboard = plan("A ball falls, bounces, rolls left, jumps and leaves.", frames=frames)
    for shot in storyboard.shots:
        covered = {
            f for e in shot.scene_graph.events for f in range(e.frames.first, e.frames.last + 1)
        }
        assert covered == set(range(frames))


@pytest.mark.parametrize(
    "text", ["Love conquers all.", "Zork flurbs.", "Why not?", "A philosopher ponders."]
)
def test_a_script_without_anything_to_film_says_what_it_needs(text: str) -> None:
    with pytest.raises(ScriptError, match="can be filmed") as caught:
        plan(text)
    assert "A red car drives" in str(caught.value)


ODD = (
    "The quick brown fox jumps over the lazy dog.",
    "Once upon a time, there was a small girl named Anna who lived in a house near the forest.",
    "It was a dark and stormy night; a dog ran through 12 streets, chasing 3 cats!",
    "Suddenly the bus, which was yellow, turned left and disappeared into the distance.",
    "A man and a woman walk hand in hand along the river, followed by their two dogs.",
    "Red, green and blue balloons rise into the sky.",
    "Don't move! The cat's ball rolled under the car.",
    "The sky is blue, the grass is green, and five white birds fly from right to left.",
    "A car, a truck and a bus are waiting; then the bus leaves, and the car follows it.",
    "There are nine ducks swimming in a pond while an airplane flies over them.",
    "Up went the balloon. Down came the ball. Round and round goes the train.",
    "A robot holding a red umbrella walks through the snow at night.",
    "As the rocket lifts off, the crowd cheers and the rabbit hides behind a tree.",
    "Children play. Two of the children kick a ball, and one of them falls.",
    "He runs. She jumps. They meet. It's an orange, not an apple!",
    "A left-to-right tracking shot of a red car driving on a coastal road, 4k, cinematic.",
    "The horse stopped, looked back, and galloped away - faster than the wind.",
    "A 3D zebra & a 1950s car (very shiny) race each other: who wins?",
    "The boy throws the ball to the dog. The dog catches it and brings it back.",
    "Snow falls. The snow is white. Leaves fall from the trees. Night falls over the city.",
    "Car. Dog. Beach. Jump. Red. Seven.",
    "One dog, two dogs, three dogs and a dozen dogs run, run, run.",
    "The red one follows the blue one.",
    "A big red big red car car.",
    "In the the of and to with a.. A ball!",
    "Über the café, a naïve cat flies; l'homme arrives.",
)


@pytest.mark.parametrize("text", ODD)
def test_no_word_of_odd_sentences_is_lost(text: str) -> None:
    plan(text + " A dog runs.")
    plan("A dog runs. " + text)


ARTICLES = st.sampled_from(["a ", "the ", "two ", "", "three ", "another ", "7 ", "some ", "his "])
DESCRIBERS = st.sampled_from(
    ["", "", "red ", "blue ", "small ", "shiny ", "orange ", "zonky ", "big green "]
)
NOUNS = st.sampled_from(
    [
        "car",
        "dogs",
        "cat",
        "zonk",
        "ball",
        "Anna",
        "house",
        "birds",
        "fish",
        "it",
        "they",
        "beach",
        "sky",
    ]
)
VERBS = st.sampled_from(
    [
        "drives", "run", "is running", "falls", "flurbs", "chases", "leaves", "does not move", "is",
        "jumped", "takes off", "meets", "throws", "sees", "rolls", "goes", "is red", "left",
        "flies",
    ]
)  # fmt: skip
ENDINGS = st.sampled_from(
    [
        "", "", " to the left", " up", " away", " on a beach", " in Paris", " quickly", " behind",
        " near the tree", " over a house", " in circles", " in the water", " 5", " green", " back",
    ]
)  # fmt: skip
LINKS = st.sampled_from(
    [". ", " and ", ", then ", " while ", ". Then ", " before ", ", ", "; ", " after ", " but "]
)
CLAUSES = st.tuples(ARTICLES, DESCRIBERS, NOUNS, st.just(" "), VERBS, ENDINGS).map("".join)


@given(st.lists(st.tuples(CLAUSES, LINKS).map("".join), min_size=1, max_size=5).map("".join))
@settings(max_examples=300, deadline=None)
def test_no_word_of_random_sentences_is_lost(text: str) -> None:
    plan(f"A horse jumps. {text}a dog runs.")


@given(st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_is_filmed_or_refused_in_words(text: str) -> None:
    try:
        script = read_script(f"A dog runs.\n{text}")
        storyboard = PLANNER.storyboard(script, picture=Picture())
    except ScriptError:
        return
    assert storyboard.shots


def test_a_verb_that_is_also_a_noun_is_what_the_thing_does() -> None:
    assert does(plan("A dog leaves.").shots[0]) == [("dog", "leaves", None)]
    assert does(plan("A red car circles.").shots[0]) == [("red-car", "circles", None)]
    assert does(plan("Three leaves fall.").shots[0])[0][1] == "falls"
