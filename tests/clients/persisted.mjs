// node persisted.mjs '{"url", "key", "get"}': what Apollo Client's persisted queries send and get. It asks for the history twice,
// and subscribes by graphql-ws with a hash; a JSON line for each request that it made, and for each answer.
import { createHash } from "node:crypto";
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const { url, key, get, campaign } = JSON.parse(process.argv[2]);
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

function say(word, value) {
  process.stdout.write(`${JSON.stringify({ [word]: value })}\n`);
}

async function telling(address, options) {
  const { method, body } = options;
  const asked = body ? JSON.parse(body) : Object.fromEntries(new URL(address).searchParams);
  const answer = await fetch(address, { ...options, headers: { ...options.headers, authorization: `Bearer ${key}` } });
  const said = await answer.clone().json();
  say("request", {
    method,
    text: Boolean(asked.query),
    hash: Boolean(asked.extensions?.includes?.("persistedQuery") ?? asked.extensions?.persistedQuery),
    status: answer.status,
    errors: (said.errors ?? []).map((error) => error.message),
    etag: answer.headers.has("etag"),
  });
  return answer;
}

const client = new ApolloClient({
  link: ApolloLink.from([
    new PersistedQueryLink({ sha256, useGETForHashedQueries: get }),
    new HttpLink({ uri: url, fetch: telling }),
  ]),
  cache: new InMemoryCache(),
});
const query = gql`
  query Summary($campaign: ID!) {
    campaign(id: $campaign) {
      id
      recipientCount
    }
  }
`;
for (let n = 0; n < 2; n++) {
  const { data } = await client.query({ query, variables: { campaign }, fetchPolicy: "network-only" });
  say("answer", data.campaign.recipientCount);
}

const text = "subscription Watch($campaign: ID!) { campaignUpdated(id: $campaign) { id recipientCount } }";
const socket = createClient({
  url: url.replace("http", "ws"),
  connectionParams: { authorization: `Bearer ${key}` },
  webSocketImpl: WebSocket,
  retryAttempts: 0,
});
const extensions = { persistedQuery: { version: 1, sha256Hash: sha256(text) } };

async function first(payload) {
  const events = socket.iterate(payload);
  try {
    const { value } = await events.next();
    return value.data?.campaignUpdated.recipientCount ?? null;
  } catch (reason) {
    return reason.map((error) => error.message);
  } finally {
    await events.return();
  }
}

// graphql-ws sends nothing without a text.
for (const query of ["", text, ""]) {
  say("watched", await first({ query, variables: { campaign }, extensions }));
}
await socket.dispose();
