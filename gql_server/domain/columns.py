"""What the columns of a list of people mean, by the words that stand above them, in the languages of those who send."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gql_server.domain.folding import folded
from gql_server.errors import FileRefused


class Column(StrEnum):
    """What a column may hold; the value is its name in the API."""

    NUMBER = "number"
    NAME = "name"
    FIRST_NAME = "firstName"
    LAST_NAME = "lastName"
    PROVIDER = "provider"
    PROVIDER_MESSAGE_IDS = "providerMessageIds"
    GROUPS = "groups"


IsNumber = Callable[[str], bool]
"""Whether the text of a cell can be a phone number."""

PLACE: Mapping[Column, int] = {column: place for place, column in enumerate(Column)}

_NUMBERS = (
    # The first kind that is there is it: of a mobile and a fixed line the mobile gets SMS.
    """
    number msisdn e164 recipient destinataire empfanger destinatario destination to
    """,
    """
    mobile mobilenumber mobilephone mobilephonenumber cell cellphone cellnumber cellular gsm gsmnumber smsnumber sms
    portable telportable telephoneportable telephonemobile telmobile numeromobile numerodemobile numeroportable
    numerodeportable nmobile ndemobile nomobile nodemobile numerosms
    handy handynummer handynr mobil mobilnummer mobilnr mobiltelefon
    mobiel mobielnummer mobieltje
    movil nmovil nomovil telefonomovil numeromovil numerodemovil celular telefonocelular numerodecelular
    cellulare telefonocellulare numerocellulare numerodicellulare
    telemovel numerodetelemovel komorka telefonkomorkowy
    手机 手机号 手机号码 携帯 携帯番号 携帯電話 мобильный мобильныйтелефон
    """,
    """
    phone phonenumber telephone telephonenumber tel telno telnr telnumber
    numero numerodetelephone numerotelephone numerodetel ntelephone ntel ndetelephone ndetel notelephone notel
    nodetelephone nodetel
    telefon telefonnummer telefonnr rufnummer nummer telefoon telefoonnummer telefoonnr
    telefono ntelefono notelefono numerodetelefono numerotelefono numeroditelefono telefone numerodetelefone
    numertelefonu nrtelefonu numer telefonszam numara telefonnumarasi puhelin puhelinnumero
    телефон номер номертелефона 电话 电话号码 電話 電話番号 전화번호 هاتف
    """,
)
_OTHERS: Mapping[Column, str] = {
    Column.NAME: """
    name fullname displayname contact contactname customer customername
    nom nomcomplet nometprenom prenomnom nomprenom nomducontact
    nombre nombrecompleto nombreyapellidos nome nomecompleto nomeecognome nominativo
    naam volledigenaam vollername namevorname nazwa imieinazwisko
    имя фио 姓名 名前 氏名 이름 اسم
    """,
    Column.FIRST_NAME: "firstname givenname forename prenom vorname voornaam imie primeironome nombredepila",
    Column.LAST_NAME: """
    lastname surname familyname nomdefamille nachname familienname zuname apellido apellidos cognome sobrenome apelido
    achternaam nazwisko фамилия
    """,
    Column.PROVIDER: "provider",
    Column.PROVIDER_MESSAGE_IDS: "providermessageids providermessageid",
    Column.GROUPS: """
    group groups list lists tag tags label labels segment segments groupe groupes liste listes etiquettes
    gruppe gruppen listen grupo grupos lista listas etiquetas gruppo gruppi groep groepen lijst lijsten grupa grupy
    группа группы 组 グループ
    """,
}
_KINDS: Mapping[str, tuple[Column, int]] = {
    **{
        word: (Column.NUMBER, kind) for kind, words in enumerate(_NUMBERS) for word in words.split()
    },
    **{word: (column, 0) for column, words in _OTHERS.items() for word in words.split()},
}


def bare(title: str) -> str:
    """A title as it is looked up: "N° de téléphone :" is "ndetelephone"."""
    return "".join(c for c in folded(title) if c.isalnum())


def meaning(title: str, wanted: Collection[Column]) -> Column | None:
    """Which of the wanted things stands under this title, or under this name in JSON; None where we do not know."""
    found = _KINDS.get(bare(title))
    return found[0] if found is not None and found[0] in wanted else None


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each thing stands in a row of a table: the place of each `Column`, from 0, None where there is none."""

    places: tuple[int | None, ...]
    #: all other columns that have a title, by their places
    others: Mapping[int, str]
    #: how many columns there are
    width: int
    #: whether the first row is titles
    titled: bool

    def of(self, column: Column) -> int | None:
        """Where it stands."""
        return self.places[PLACE[column]]


def columns_of(
    first: Sequence[str],
    wanted: Collection[Column],
    given: Mapping[Column, str],
    *,
    titled: bool | None,
    is_number: IsNumber,
) -> Columns:
    """What the columns of a table are whose first row this is, as far as they are wanted.

    `given`: what the sender says, a title or a number from 1; `titled`: whether the first row is titles, None where he
    does not say; `is_number`: whether a cell can be a phone number.

    :raises FileRefused: no column of numbers can be told, or one that is given is not there.
    """
    found = _by_titles(first, wanted) if titled is not False else {}
    if titled is None:
        # No title is a number; but somebody may be called as a title is.
        is_data = Column.NUMBER not in found and not given and any(map(is_number, first))
        titled = not is_data and (bool(found) or _is_titled(first, given, is_number))
    if not titled and Column.NUMBER not in given:
        found = _without_titles(first, wanted, is_number)
    for column, title in given.items():
        found[column] = [_place(column, title, first)]
    if len(found.get(Column.NUMBER, ())) > 1:
        raise FileRefused(
            "AMBIGUOUS_COLUMN",
            "Several columns may be the numbers: say which, by its title or its place: ?number=2",
        )
    if not found.get(Column.NUMBER):
        raise FileRefused(
            "MISSING_COLUMN",
            f"None of the {len(first)} columns is called number, mobile, phone or alike: say which one has the "
            "numbers, by its title or its place: ?number=2",
        )
    # Of two names the first one.
    places = tuple(found[column][0] if found.get(column) else None for column in Column)
    used = {place for place in places if place is not None}
    others = {
        place: title.strip()
        for place, title in enumerate(first)
        if titled and place not in used and title.strip()
    }
    return Columns(places, others, len(first), titled)


def full_name(name: str | None, first: str | None, last: str | None) -> str | None:
    """One name of what there is: "Nom" beside "Prénom" is the last name, "Nombre" beside "Apellidos" the first."""
    if first and last:
        return name or f"{first} {last}"
    parts = (first, name, last) if first or last else (name,)
    return " ".join(part for part in parts if part) or None


def _by_titles(first: Sequence[str], wanted: Collection[Column]) -> dict[Column, list[int]]:
    kinds: dict[tuple[Column, int], list[int]] = {}
    for place, title in enumerate(first):
        kind = _KINDS.get(bare(title))
        if kind is not None and kind[0] in wanted:
            kinds.setdefault(kind, []).append(place)
    found: dict[Column, list[int]] = {}
    for one in sorted(kinds, key=lambda one: one[1]):
        found.setdefault(one[0], kinds[one])
    return found


def _is_titled(first: Sequence[str], given: Mapping[Column, str], is_number: IsNumber) -> bool:
    """Whether titles that we do not know stand in the first row: the sender names one, or there is no number."""
    places = {column: _as_place(title, len(first)) for column, title in given.items()}
    if any(place is None for place in places.values()):
        return True
    number = places.get(Column.NUMBER)
    return number is not None and not is_number(first[number - 1])


def _without_titles(
    first: Sequence[str], wanted: Collection[Column], is_number: IsNumber
) -> dict[Column, list[int]]:
    """Of a table without titles the numbers are known by themselves, and beside one column of them stands a name."""
    numbers = [place for place, cell in enumerate(first) if is_number(cell)]
    found = {Column.NUMBER: numbers}
    if len(first) == 2 and len(numbers) == 1 and Column.NAME in wanted:
        found[Column.NAME] = [1 - numbers[0]]
    return found


def _place(column: Column, title: str, first: Sequence[str]) -> int:
    place = _as_place(title, len(first))
    if place is not None:
        return place - 1
    wanted = bare(title)
    places = [place for place, there in enumerate(first) if wanted and bare(there) == wanted]
    if len(places) == 1:
        return places[0]
    if places:
        raise FileRefused("AMBIGUOUS_COLUMN", f"{column.value}: several columns have this title.")
    raise FileRefused(
        "MISSING_COLUMN",
        f"{column.value}: there is no column of this title or place; the first row has {len(first)} columns.",
    )


def _as_place(title: str, width: int) -> int | None:
    # No table has 10,000 columns.
    is_place = title.isascii() and title.isdigit() and len(title) < 5
    return int(title) if is_place and 1 <= int(title) <= width else None
