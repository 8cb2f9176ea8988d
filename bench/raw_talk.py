"""Long talk between two friends, made from scripts with a fixed seed: every turn stored as it was said.

Unlike the written data, answers stand in short replies, the same subject comes up several times with other names, and
most turns matter to no question.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

WORDS = {
    "friend": "Olga Marcus Wei Fatima Nils Gina Tariq Beth Pablo Ursula Kenji Mona Igor Selma Dean Rita Hamza Lotte",
    "town": "Porto Ghent Malmö Turin Nantes Kraków Bristol Graz Vilnius Cork Bergen Split Riga Basel Ulm Bilbao Pisa",
    "month": "January February March April May June July August September October November December",
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "dish": "lasagne paella ramen goulash moussaka biryani pierogi curry chowder tagine risotto tacos borscht",
    "pet": "hamster parrot tortoise rabbit ferret goldfish canary gecko terrier kitten pony hedgehog",
    "petname": "Pickles Nimbus Socks Waffle Pepper Domino Truffle Bandit Mochi Sprout Clover Ziggy",
    "thing": "kayak telescope sofa printer drone toaster lawnmower violin camera bookcase tent accordion bicycle",
    "book": "Middlemarch Dune Emma Persuasion Beloved Ulysses Dracula Rebecca Kim Solaris Germinal Walden",
    "sport": "badminton fencing rowing judo archery squash curling yoga volleyball climbing skating handball",
    "illness": "flu shingles bronchitis tonsillitis migraine sciatica pneumonia measles",
    "plant": "tomatoes dahlias beans lavender pumpkins peonies leeks sunflowers garlic hydrangeas",
    "job": "surveyor optician plumber dietitian notary florist geologist tailor midwife carpenter archivist",
    "course": "pottery Welsh bookbinding coding first-aid sewing salsa sailing photography baking",
    "colour": "crimson teal mustard ivory lilac charcoal turquoise ochre",
    "shop": "Hobbs Larkin Penfold Quinto Ashby Morrow Tilda Brannigan Foxley Dunmore",
    "kin": "cousin uncle niece grandmother nephew aunt sister-in-law godfather",
}
SLOTS = {name: words.split() for name, words in WORDS.items()}

# One script a block: turns marked by speaker (A or B), questions by "?" with the numbers of the turns that answer.
SCRIPTS = """
A: Have you settled where you go in {month}?
B: We go to {town} in {month}, we found a place right by the water
A: Oh lovely, who comes along?
B: Just {friend} and the kids
? 2: Where does B travel in {month}?
? 4: Who joins the {town} trip?

A: I saw {friend} at the station today
B: Really? What is {friend} up to?
A: {friend} works as a {job} in {town} now, quite happy
? 3: What is the profession of {friend} these days?

B: The {thing} I ordered finally came
A: Which shop was it again?
B: {shop}, and it cost me {number} euros
? 3: What did B pay for the {thing}?

B: I got the {thing} from {shop} after all, they gave me a discount
A: Good, they can be stubborn
? 1: Who sold B the {thing}?

A: My {kin} has the {illness}
B: Oh no, since when?
A: The {illness} began on {day}, the doctor says two weeks of rest
? 3: When did the relative with {illness} fall sick?

A: What are you cooking tonight?
B: {dish}, with a recipe from {friend}
A: Save me a plate!
? 2: Whose recipe for {dish} did B follow?

B: We got a {pet}!
A: You did not! What's it called?
B: {petname}, the children chose it
? 3: How is the {pet} called?

B: {petname} ate my slippers, that {pet} is a menace
A: And I thought they were gentle
B: Last week it was the charger
? 1: What did the {pet} destroy?

A: I'm reading {book} at last
B: And, do you like it?
A: I gave up on {book} at page {number}, honestly
? 3: How far did A get in {book}?

B: I took up {sport} this winter
A: Where do you play?
B: In the old hall in {town}, every {day}
? 3: On which weekday does B do {sport}?

A: I twisted my knee at {sport} on {day}
B: Again? You should rest it
A: The physio said the same
? 1: How did A hurt a leg doing {sport}?

A: The {plant} came up early this year
B: Did you do anything special?
A: I gave the {plant} coffee grounds, {friend} swears by it
? 3: What helped the {plant} to grow?

A: Guess who is getting married?
B: No idea, tell me
A: {friend}, in {month}, in a castle near {town}
? 3: Where is the wedding of {friend}?
? 3: When does {friend} marry?

B: I signed up for the {course} class, {friend} teaches it
A: How much is it?
B: {number} for the whole term
? 1: Who gives the {course} lessons?
? 3: What is the fee of the {course} course?

A: We are painting the hall {colour}
B: Brave! Whose idea was that?
A: {friend} wanted it {colour}, I would have liked something quieter
? 3: Who wanted {colour} walls?

B: My {kin} lives in {town} now
A: What took them there?
B: A job as {job}, and the sea
? 3: Why did the {kin} of B move to {town}?

A: Did you ever sell that {thing}?
B: Yes, to {friend}, for {number}
A: Well done
? 2: Who bought the {thing} from B?

B: I left my umbrella in {town}
A: Where exactly?
B: At {shop} in {town}, they keep it for me until {day}
? 3: Until which day is the umbrella kept in {town}?

A: The train from {town} was late by {number} minutes, {friend} had to speak for me
B: At the meeting? That must have been odd
A: It was fine in the end
? 1: Who filled in for A when the train from {town} was late?

B: {friend} has moved out of the flat
A: Who takes the room?
B: A {job} from {town} takes it in {month}
? 3: Which {job} is the new flatmate of B?

A: I dreamt about a {pet} last night
B: What did it do?
A: It was reading {book}, in a hat

B: Is {shop} open on {day}?
A: Only until one, I think
B: Good enough for me

A: The market had no {plant} today
B: Try {shop}, behind the church

A: {friend} owes me {number} euros
B: For what?
A: The concert in {town}, months ago
? 1: How much money does A get back from {friend}?

B: I have to fly to {town} for work on {day}
A: You hate flying, don't you?
B: I do, but the train takes eleven hours
? 1: Where is the business trip of B to on {day}?
"""

CHATTER = """
Ha, typical
I know, right?
Anyway, how are things?
It rained the whole afternoon here
Let me call you later
I'm so tired today
That made me laugh
You always say that
The kids are shouting, one moment
I had too much coffee
We should meet up soon
Never again, I tell you
What a week
Look at the moon tonight
I forgot what I wanted to say
No way!
Sounds like you
The neighbours have a party again
My phone is nearly dead
Sorry, I was at the door
Can you believe it?
Fair enough
I'll think about it
Don't tell anyone
"""


@dataclass(frozen=True, slots=True)
class Turn:
    id: str
    namespace: str
    speaker: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Question:
    namespace: str
    text: str
    gold: frozenset[str]


def raw_talk(turns: int, seed: int) -> tuple[list[Turn], list[Question]]:
    """At least `turns` turns in three conversations, and the questions about them."""
    rng = random.Random(seed)
    said: list[Turn] = []
    asked: list[Question] = []
    for first, second in (("Ada", "Bo"), ("Cleo", "Dag"), ("Edith", "Finn")):
        talk, questions = _conversation(rng, first, second, turns // 3 + 1)
        said += talk
        asked += questions
    return said, asked


def _conversation(rng: random.Random, first: str, second: str, turns: int) -> tuple[list[Turn], list[Question]]:
    namespace = f"{first}+{second}"
    people = {"A": first, "B": second}
    at = datetime(2026, 1, 1, 18, tzinfo=UTC)
    said: list[Turn] = []
    asked: list[Question] = []

    def say(speaker: str, text: str) -> str:
        nonlocal at
        at += timedelta(minutes=rng.randint(1, 4))
        said.append(Turn(f"{namespace}/{len(said) + 1}", namespace, people[speaker], text, at))
        return said[-1].id

    for block, filled in _scenes(rng):
        if len(said) >= turns:
            break
        at += timedelta(hours=rng.randint(1, 30))
        lines = block.format_map(filled).splitlines()
        ids = [say(line[0], line[3:]) for line in lines if line[0] in "AB"]
        for line in (line for line in lines if line.startswith("?")):
            numbers, _, text = line[2:].partition(": ")
            gold = frozenset(ids[int(number) - 1] for number in numbers.split(","))
            asked.append(Question(namespace, _named(text, people), gold))
        for _ in range(rng.randint(0, 3)):
            say(rng.choice("AB"), rng.choice(CHATTER.strip().splitlines()))
    return said, asked


def _named(text: str, people: Mapping[str, str]) -> str:
    words = (people.get(word.rstrip("?"), word.rstrip("?")) + "?" * word.endswith("?") for word in text.split())
    return " ".join(words)


def _scenes(rng: random.Random) -> Iterator[tuple[str, dict[str, object]]]:
    """Scripts in random order, each again and again with other words; no question's key words come twice."""
    blocks = SCRIPTS.strip().split("\n\n")
    seen: set[str] = set()
    while True:
        rng.shuffle(blocks)
        for block in blocks:
            filled: dict[str, object] = {name: rng.choice(words) for name, words in SLOTS.items()}
            filled["number"] = rng.randint(12, 480)
            keys = {line.partition(": ")[2] for line in block.format_map(filled).splitlines() if line.startswith("?")}
            if not keys & seen:
                seen |= keys
                yield block, filled
