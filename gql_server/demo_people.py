"""The people of the demo: invented names, and numbers that regulators keep free for films and books.

Nobody can be reached under them, whatever a developer wires the demo to:

* France: 06 39 98 xx xx (Arcep, decision 2018-0881)
* Ireland: 020 91x xxxx (ComReg)
* United Kingdom: 07700 900 xxx (Ofcom)
* United States and Canada: 555-01xx in every area (NANPA)
* Germany: 0171 39200 xx and 0176 040690 xx (Bundesnetzagentur, notice 148/2021)
* Sweden: 070 174 06 05 to 99 (PTS)

Spain and Italy keep none, so the demo writes to nobody there.
"""

import random
from collections.abc import Iterator
from itertools import product

from gql_server.intake import NewRecipient

MOST = 10_000
"""People that the ranges have room for, in the mix below."""

_AMERICAN = (
    "202",
    "212",
    "213",
    "303",
    "305",
    "312",
    "404",
    "415",
    "503",
    "512",
    "602",
    "617",
    "702",
)
_CANADIAN = ("416", "514", "604", "613", "902")

# Country: how many of 1,000, and its numbers. France takes what the others' ranges have no room for.
_NUMBERS: dict[str, tuple[int, list[str]]] = {
    "FR": (0, [f"+3363998{n:04}" for n in range(10_000)]),
    "GB": (100, [f"+447700900{n:03}" for n in range(1_000)]),
    "IE": (90, [f"+35320910{n:04}" for n in range(1_000)]),
    "US": (120, [f"+1{area}55501{n:02}" for area, n in product(_AMERICAN, range(100))]),
    "CA": (40, [f"+1{area}55501{n:02}" for area, n in product(_CANADIAN, range(100))]),
    "DE": (
        40,
        [f"+49{start}{n:02}" for start, n in product(("17139200", "176040690"), range(100))],
    ),
    "SE": (15, [f"+467017406{n:02}" for n in range(5, 100)]),
}

_FRENCH = (
    "Camille Léa Manon Chloé Inès Jade Louise Lucie Zoé Élise Hugo Louis Jules Théo Nathan Arthur Maxime Quentin",
    "Martin Bernard Petit Durand Moreau Laurent Simon Lefebvre Roux Fournier Girard Bonnet Mercier Blanc Faure",
)
_ENGLISH = (
    "Olivia Amelia Isla Freya Poppy Chloe Hannah Megan Oscar Harvey Leo Alfie Toby Ethan Callum Connor Liam Ryan",
    "Smith Taylor Davies Evans Walker Wright Green Hall Clarke Cooper Ward Turner Hughes Foster Bennett Murphy Doyle",
)
_GERMAN = (
    "Lena Mia Hannah Lea Marie Sophie Clara Ida Frieda Finn Jonas Felix Paul Emil Anton Moritz Jakob",
    "Müller Schmidt Fischer Weber Wagner Becker Hoffmann Schäfer Koch Richter Klein Neumann Schwarz Krüger",
)
_SWEDISH = (
    "Elsa Alva Wilma Ebba Saga Maja Astrid Lucas Oskar Axel Elias Nils Viggo Arvid",
    "Andersson Johansson Karlsson Nilsson Eriksson Larsson Olsson Persson Svensson Lindberg",
)
_NAMES = {"FR": _FRENCH, "DE": _GERMAN, "SE": _SWEDISH}


def people(count: int, *, seed: int = 0) -> list[NewRecipient]:
    """That many recipients with different numbers, in a mixed order; the same for the same arguments.

    :raises ValueError: more than there are numbers for.
    """
    if not 0 < count <= MOST:
        raise ValueError(f"1 to {MOST:,} people")
    dice = random.Random(seed)
    numbers: list[tuple[str, str]] = []
    for country, (share, known) in sorted(_NUMBERS.items(), key=lambda item: -item[1][0]):
        wanted = count * share // 1000 if share else count - len(numbers)
        numbers += [(country, number) for number in dice.sample(known, min(wanted, len(known)))]
    dice.shuffle(numbers)
    names = {country: _names(dice, country) for country in _NUMBERS}
    return [NewRecipient(number=number, name=next(names[country])) for country, number in numbers]


def _names(dice: random.Random, country: str) -> Iterator[str]:
    first, last = (words.split() for words in _NAMES.get(country, _ENGLISH))
    while True:
        yield f"{dice.choice(first)} {dice.choice(last)}"
