"""What is kept of answers has its bounds, and goes with what it was made from."""

from gql_server.answers import LARGEST_SHARE, Answers, Basis, Kept
from gql_server.database import Database

MOST = 100_000


async def answers_of(db: Database) -> Answers:
    answers = Answers(db, most_bytes=MOST)
    answers.start()
    return answers


def kept(size: int, campaign: str = "c") -> Kept:
    return Kept(b"x" * size, Basis({campaign: ()}))


async def test_a_thousand_answers_take_no_more_than_their_room(db: Database) -> None:
    answers = await answers_of(db)

    for n in range(1000):
        answers.keep(str(n).encode(), kept(500))
        assert answers.bytes <= MOST

    # the newest are there, the oldest are not
    assert await answers.again(b"999") is not None
    assert await answers.again(b"0") is None
    await answers.close()


async def test_what_is_asked_for_stays(db: Database) -> None:
    answers = await answers_of(db)
    answers.keep(b"mine", kept(500))

    for n in range(1000):
        answers.keep(str(n).encode(), kept(500))
        if n % 10 == 0:
            assert await answers.again(b"mine") is not None

    await answers.close()


async def test_one_that_would_take_all_the_room_is_not_kept(db: Database) -> None:
    answers = await answers_of(db)
    answers.keep(b"small", kept(10))

    answers.keep(b"large", kept(MOST // LARGEST_SHARE))

    assert await answers.again(b"large") is None
    assert await answers.again(b"small") is not None
    await answers.close()


async def test_keeping_the_same_twice_takes_the_room_of_one(db: Database) -> None:
    answers = await answers_of(db)
    answers.keep(b"a", kept(10))
    alone = answers.bytes

    answers.keep(b"a", kept(10))

    assert answers.bytes == alone
    await answers.close()


async def test_it_is_forgotten_with_the_first_change(db: Database) -> None:
    answers = await answers_of(db)
    answers.keep(b"a", kept(10))
    assert await answers.again(b"a") is not None

    await db.collection("counters").insert_one(
        {"_id": "c:0", "campaign": "c", "slot": 0, "version": 1}
    )

    assert await answers.again(b"a") is None
    assert answers.bytes == 0
    # of the campaign as it is now it can be kept again, until its timeline is kept otherwise
    answers.keep(b"a", Kept(b"x", Basis({"c": ((0, 1),)})))
    assert await answers.again(b"a") is not None
    await db.collection("counters").update_one({"_id": "c:0"}, {"$inc": {"rolled": 1}})
    assert await answers.again(b"a") is None
    await answers.close()
