// node urql.mjs '{"url", "key", "campaign"}': what urql's persisted queries send and get with urql's defaults, what it gets without
// them by POST, and what of a subscription by fetch. A JSON line for each request that it made, and for each answer.
import { Client, fetchExchange, gql } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";

const { url, key, campaign } = JSON.parse(process.argv[2]);

function say(word, value) {
  process.stdout.write(`${JSON.stringify({ [word]: value })}\n`);
}

async function telling(address, options) {
  const { method, body } = options;
  const asked = body ? JSON.parse(body) : Object.fromEntries(new URL(address).searchParams);
  const answer = await fetch(address, options);
  say("request", {
    method,
    text: Boolean(asked.query),
    hash: JSON.stringify(asked.extensions ?? null).includes("persistedQuery"),
    status: answer.status,
    type: answer.headers.get("content-type").split(";")[0],
    etag: answer.headers.has("etag"),
  });
  return answer;
}

function client(options) {
  const fetchOptions = { headers: { authorization: `Bearer ${key}` } };
  return new Client({ url, fetch: telling, fetchOptions, ...options });
}

const query = gql`
  query Summary($campaign: ID!) {
    campaign(id: $campaign) {
      id
      recipientCount
    }
  }
`;
const persisting = client({ exchanges: [persistedExchange(), fetchExchange] });
const plain = client({ exchanges: [fetchExchange], preferGetMethod: false, fetchSubscriptions: true });
for (const asking of [persisting, persisting, plain]) {
  const { data, error } = await asking.query(query, { campaign }).toPromise();
  say("answer", data?.campaign.recipientCount ?? error.message);
}

const watch = gql`
  subscription Watch($campaign: ID!) {
    campaignUpdated(id: $campaign) {
      id
      recipientCount
    }
  }
`;
plain.subscription(watch, { campaign }).subscribe(({ data, error }) => {
  say("watched", data?.campaignUpdated.recipientCount ?? error.message);
  process.exit(); // urql aborts its own fetch with an error that nothing catches
});
