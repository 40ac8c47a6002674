"""python create.py NAME TEXT SENDER NUMBER...: makes a campaign, and says what became of each recipient.

It prints the campaign's id, for watch.py, and for each message the reference that goes out with the SMS as the
client's own: by it the provider's receipts find their message.
"""

import asyncio
import os
import sys

from gql import Client, gql
from gql.transport.httpx import HTTPXAsyncTransport

SERVER = os.environ.get("SERVER", "http://127.0.0.1:8000")
KEY = os.environ.get("KEY", "")

CREATE = """mutation Create($input: CreateCampaignInput!) {
  createCampaign(input: $input) {
    campaign { id }
    userErrors { field code message }
  }
}"""

ADD = """mutation Add($input: AddRecipientsInput!) {
  addRecipients(input: $input) {
    messages { reference recipient }
    userErrors { field code message }
  }
}"""


async def main(name: str, text: str, sender: str, *numbers: str) -> int:
    """Make the campaign; 1 where something was not taken."""
    transport = HTTPXAsyncTransport(
        url=f"{SERVER}/graphql", headers={"authorization": f"Bearer {KEY}"}
    )
    async with Client(transport=transport) as session:
        create = gql(CREATE)
        create.variable_values = {"input": {"name": name, "text": text, "sender": sender}}
        made = (await session.execute(create))["createCampaign"]
        refused = made["userErrors"]
        if made["campaign"] is not None:
            print(made["campaign"]["id"])
            add = gql(ADD)
            add.variable_values = {
                "input": {
                    "campaignId": made["campaign"]["id"],
                    # at most 1,000 a call; many more: a file, docs/import.md
                    "recipients": [{"number": number} for number in numbers],
                }
            }
            added = (await session.execute(add))["addRecipients"]
            refused = [*refused, *added["userErrors"]]
            for message in added["messages"]:
                print(message["reference"], message["recipient"])
    # What a caller got wrong is no error of GraphQL: the rest was done, and this says what was not.
    for error in refused:
        print(f"{'.'.join(error['field'])}: {error['message']}", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    if not KEY or len(sys.argv) < 4:
        raise SystemExit(f"{__doc__}\n\nIts API key is in the environment: KEY.")
    raise SystemExit(asyncio.run(main(*sys.argv[1:])))
