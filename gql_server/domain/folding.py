"""Names as they are searched and sorted: without accents, capitals and superfluous spaces."""

import unicodedata

_LETTERS = str.maketrans(
    {
        "æ": "ae",
        "ð": "d",
        "ø": "o",
        "þ": "th",
        "đ": "d",
        "ħ": "h",
        "\u0131": "i",  # without its dot
        "ł": "l",
        "ŧ": "t",
        "œ": "oe",
    }
)
"""Letters of European names that Unicode does not take for another one with a mark, and whoever types a search does."""

_INVISIBLE = frozenset({"Cc", "Cf", "Cs"})
"""Controls, formats such as a soft hyphen, and halves of characters: nobody types them, and none may be kept."""


def folded(text: str) -> str:
    """`text` with accents, case and runs of spaces folded: "  Éléonore  ŁUKASZ" becomes "eleonore lukasz".

    Compatible decomposition, combining marks away, full case folding (Unicode 15, sections 3.11 and 3.13). Folding what
    is folded changes nothing.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.lower().split())  # what all the rest comes to; most names are such
    # Twice: folding the case of some characters makes others that can be taken apart, and the other way round.
    return _once(_once(text))


def _once(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(c for c in apart if not unicodedata.combining(c))
    shown = "".join(c for c in bare if c.isspace() or unicodedata.category(c) not in _INVISIBLE)
    return " ".join(shown.translate(_LETTERS).split())
