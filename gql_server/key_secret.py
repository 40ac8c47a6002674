"""Whether GQL_SECRET is the one that this database's keys are kept by: with another one every key would be unknown."""

from collections.abc import Sequence

from gql_server.database import Database
from gql_server.errors import StartError
from gql_server.key_hash import KeyHashes
from gql_server.store import installation


async def key_hashes(db: Database, secrets: Sequence[str]) -> KeyHashes:
    """The hashes by these secrets, of which the first one counts from now on.

    :raises StartError: keys are kept by a secret that is none of these.
    """
    ours = await installation.load(db)
    hashes = KeyHashes(ours.secret, secrets)
    if ours.key_mark is not None and ours.key_mark not in hashes.marks:
        raise StartError(
            "GQL_SECRET is missing, or is not the one that the keys of this database are kept by: none would be "
            "known. Set the same as on the other servers; docs/access.md says how it is exchanged. If it is lost: "
            "gql-server keys forget-secret, and make new keys."
        )
    if ours.key_mark != hashes.marks[0]:
        await installation.mark_keys(db, hashes.marks[0])
    return hashes
