"""Parts: how many SMS a text is sent as, which is what it costs.

3GPP TS 23.038 (alphabets) and TS 23.040 section 9.2.3.24.1 (concatenation): an SMS carries 140
octets, of which six go to the header of a part where there are several:

| encoding | one part alone | each of several | a character takes |
| --- | --- | --- | --- |
| GSM-7 | 160 septets | 153 | 1, or 2 out of the extension table |
| UCS-2 | 70 code units of UTF-16 | 67 | 1, or 2 beyond the Basic Multilingual Plane |

What takes two is never split over two parts. One character outside the GSM alphabet makes the whole
text UCS-2. National language tables (TS 23.038 annex A) are not used: no provider of ours sends
with them.
"""

from enum import StrEnum

# TS 23.038 section 6.2.1, codes 0x00 to 0x7F in rows of sixteen, without 0x1B, which is the escape.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
# Section 6.2.1.1: each is written as the escape and a second septet.
_EXTENSION = frozenset("\f^{}\\[~]|€")
_ALPHABET = _BASIC | _EXTENSION


class Encoding(StrEnum):
    """What a text is sent in."""

    GSM7 = "GSM7"
    UCS2 = "UCS2"


_ALONE = {Encoding.GSM7: 160, Encoding.UCS2: 70}
_OF_SEVERAL = {Encoding.GSM7: 153, Encoding.UCS2: 67}


def encoding_of(text: str) -> Encoding:
    """GSM7 where every character is in the GSM alphabet or its extension, else UCS2."""
    return Encoding.GSM7 if _ALPHABET.issuperset(text) else Encoding.UCS2


def parts_of(text: str) -> int:
    """As how many SMS the text is sent; at least 1, for an empty SMS is one too."""
    return len(split(text))


def split(text: str) -> tuple[str, ...]:
    """The text cut into its parts, each as full as it can be; joined they are the text.

    An empty text is one empty part.
    """
    encoding = encoding_of(text)
    sizes = [_size(character, encoding) for character in text]
    if sum(sizes) <= _ALONE[encoding]:
        return (text,)
    parts = []
    start = taken = 0
    for position, size in enumerate(sizes):
        if taken + size > _OF_SEVERAL[encoding]:
            parts.append(text[start:position])
            start, taken = position, 0
        taken += size
    return (*parts, text[start:])


def _size(character: str, encoding: Encoding) -> int:
    """Septets in GSM-7, 16-bit code units in UCS-2."""
    if encoding is Encoding.GSM7:
        return 2 if character in _EXTENSION else 1
    return 2 if character > "\uffff" else 1
