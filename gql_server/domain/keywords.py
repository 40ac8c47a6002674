"""STOP and START, in the languages that people answer in.

**The first word decides**: "Stop!", "STOP SMS 36180" and "ARRÊT" ask for no more, "je ne peux pas stopper là" does not.
Case, accents, punctuation, full-width letters and what is invisible make no difference; a number is no word, so that
"STOP36180" is STOP and 36180. Any language's words count wherever the sender is: people answer in their own.

**Some words begin ordinary sentences** ("Cancel my appointment", "Baja un poco el precio", "Arrêt maladie jusqu'à
lundi", "Rezygnuję z wizyty", "Afmelden voor de les"): these count only *alone*, that is with nothing behind them but
numbers, themselves again, and words of `WITH_IT`, which change nothing ("CANCEL SMS please"). Whoever is listed by
mistake misses what he asked for. STOP, and words that mean nothing but "unsubscribe", count whatever follows them: to
overlook what somebody asked for is the mistake that the law forbids. What cancels an appointment as well (ANNULER,
CANCELAR, ANULUJ), and no provider takes for a STOP, is no keyword.

**START counts only alone.** To write again to somebody who asked for no more, because a sentence began with "Start",
would be the worse mistake. YES, which some providers take for it, is an answer to a question, and no keyword here; nor
is NO, nor HELP and INFO. Where the provider itself says that it was a START (`Reply.opt_out`), that counts.

Sources, by the tags in the tables:

* [twilio] https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out and /docs/proxy/opt-out-keywords
* [telnyx] https://developers.telnyx.com/docs/messaging/messages/advanced-opt-in-out/index
* [aws] https://docs.aws.amazon.com/sms-voice/latest/userguide/keywords-required.html
* [bird] https://docs.bird.com/applications/channels/channels/supported-channels/sms/concepts/ (Opt-in and opt-out)
* [brevo] https://help.brevo.com/hc/de/articles/208723209 (UNSUB, for Norway)
* [anatel] the Brazilian regulator's SAIR, of 2012
* [-] no source: the language's own word for it
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from gql_server.domain.folding import folded


class Wish(StrEnum):
    """What a reply asks for."""

    OPT_OUT = "OPT_OUT"
    OPT_IN = "OPT_IN"


# Whatever follows them. Each is written as people write it; "OPT OUT" is two words.
OPT_OUT: Final[Mapping[str, Sequence[str]]] = {
    # [twilio] [telnyx] [aws]; UNSUB [brevo]
    "en": ("STOP", "STOPALL", "UNSUBSCRIBE", "UNSUB", "OPTOUT", "OPT OUT"),
    # [-]
    "fr": ("DÉSABONNER", "DÉSABONNEMENT"),
    "es": ("DESUSCRIBIR", "DESUSCRIBIRME"),
    "it": ("DISISCRIVI", "DISISCRIVIMI"),
    "de": ("STOPP",),
    "pt": ("DESCADASTRAR",),
    "ru": ("СТОП", "ОТПИСАТЬСЯ"),
}

# Only alone.
OPT_OUT_ALONE: Final[Mapping[str, Sequence[str]]] = {
    # CANCEL, END, QUIT [twilio] [telnyx] [aws] [bird]; REMOVE, TD [aws]; REVOKE [-]
    "en": ("CANCEL", "END", "QUIT", "REVOKE", "REMOVE", "TD"),
    # ARRET [twilio] [aws] [bird]; ARRETE, ARRETT [twilio]; the others [-]
    "fr": (
        *("ARRÊT", "ARRÊTE", "ARRETT", "ARRÊTER", "ARRÊTEZ", "STOPPER"),
        *("DÉSINSCRIRE", "DÉSINSCRIPTION"),
    ),
    # DETENER [bird]; the others [-]
    "es": ("BAJA", "DETENER", "ALTO", "DARME DE BAJA", "DAR DE BAJA"),
    # FERMA [bird]; the others [-]
    "it": ("FERMA", "BASTA", "CANCELLAMI"),
    # HALT [bird]; the others [-]
    "de": ("HALT", "ENDE", "ABMELDEN", "ABMELDUNG", "ABBESTELLEN", "AUSTRAGEN"),
    # SAIR [anatel]; PARAR [bird]; the others [-]
    "pt": ("SAIR", "PARAR", "PARE"),
    # [-]
    "nl": ("STOPPEN", "EINDE", "AFMELDEN", "UITSCHRIJVEN"),
    # ZATRZYMAJ [bird]; the others [-]
    "pl": ("ZATRZYMAJ", "KONIEC", "REZYGNUJĘ", "REZYGNACJA", "WYPISZ", "WYPISZ MNIE"),
    # ОСТАНОВИТЬ [bird]; the others [-]
    "ru": ("ОСТАНОВИТЬ", "ОТПИСКА"),
    # [-]
    "sv": ("AVSLUTA",),
    "da": ("AFMELD", "FRAMELD"),
    "no": ("AVMELD", "AVSLUTT"),
}

# Only alone.
OPT_IN: Final[Mapping[str, Sequence[str]]] = {
    # START, UNSTOP [twilio] [telnyx] [aws]; BEGIN, RESUME, REVERT [bird]; the others [-]
    "en": (
        *("START", "UNSTOP", "BEGIN", "RESUME", "REVERT"),
        *("SUBSCRIBE", "RESUBSCRIBE", "OPTIN", "OPT IN"),
    ),
    # NONARRET [bird]; the others [-]
    "fr": ("NONARRÊT", "REPRENDRE", "RÉABONNER", "RÉABONNEMENT"),
    # [-]
    "es": ("ALTA", "INICIAR", "REANUDAR", "DARME DE ALTA"),
    "it": ("INIZIA", "RIPRENDI", "ISCRIVIMI"),
    "de": ("ANMELDEN",),
    "pt": ("INICIAR", "RETOMAR", "REATIVAR"),
    "nl": ("AANMELDEN", "HERVATTEN"),
    "pl": ("WZNÓW", "ZAPISZ"),
    "ru": ("СТАРТ", "ВОЗОБНОВИТЬ"),  # noqa: RUF001 - Cyrillic
}

# What may stand behind a keyword that counts only alone: what it is of, to whom, and courtesies.
WITH_IT: Final[Sequence[str]] = (
    *("SMS", "MMS", "RCS", "MSG", "MSGS", "MESSAGE", "MESSAGES", "TEXT", "TEXTS", "TXT", "ALL"),
    *("PUB", "PUBS", "PUBLICITÉ", "PUBLICIDAD", "PUBBLICITÀ", "PROMO", "PROMOS", "NEWSLETTER"),
    *("PLEASE", "PLS", "PLZ", "THANKS", "THANK", "YOU", "SVP", "STP", "MERCI", "TOUT", "TOUS"),
    *("POR", "FAVOR", "GRACIAS", "OBRIGADO", "OBRIGADA", "BITTE", "DANKE", "ALLE", "ALLES"),
    *("PER", "FAVORE", "GRAZIE", "AUB", "ALSTUBLIEFT", "PROSZĘ", "DZIĘKUJĘ", "TO", "AU", "AL"),
)

LONGEST: Final = 1_000
"""Characters that are looked at; what is longer is a letter, and no keyword alone."""

_WORD = re.compile(r"[^\W\d_]+|\d+")


def meaning_of(text: str) -> Wish | None:
    """What this text asks for, by its first word; None: neither to stop nor to start."""
    words = words_of(text[:LONGEST])
    if _begins(words, _ANYWAY):
        return Wish.OPT_OUT
    if len(text) <= LONGEST and _is_alone(words, _OUT_ALONE):
        return Wish.OPT_OUT
    if len(text) <= LONGEST and _is_alone(words, _IN_ALONE):
        return Wish.OPT_IN
    return None


def words_of(text: str) -> tuple[str, ...]:
    """The words and numbers of a text, folded: "STOP-ALL, 36180!" becomes ("stop", "all", "36180")."""
    return tuple(_WORD.findall(folded(text)))


Phrases = Mapping[str, Sequence[tuple[str, ...]]]
"""Keywords as their folded words, by the first of these."""


def _phrases(lists: Mapping[str, Sequence[str]]) -> Phrases:
    found: dict[str, list[tuple[str, ...]]] = {}
    for keywords in lists.values():
        for keyword in keywords:
            words = words_of(keyword)
            found.setdefault(words[0], []).append(words)
    return found


_ANYWAY = _phrases(OPT_OUT)
_OUT_ALONE = _phrases(OPT_OUT_ALONE)
_IN_ALONE = _phrases(OPT_IN)
_WITH_IT = frozenset(word for words in WITH_IT for word in words_of(words))


def _beginnings(words: tuple[str, ...], phrases: Phrases) -> list[tuple[str, ...]]:
    """The keywords that these words begin with."""
    known = phrases.get(words[0], ()) if words else ()
    return [phrase for phrase in known if words[: len(phrase)] == phrase]


def _begins(words: tuple[str, ...], phrases: Phrases) -> bool:
    return bool(_beginnings(words, phrases))


def _is_alone(words: tuple[str, ...], phrases: Phrases) -> bool:
    return any(
        all(word in _WITH_IT or word in phrase or word.isdigit() for word in words[len(phrase) :])
        for phrase in _beginnings(words, phrases)
    )
