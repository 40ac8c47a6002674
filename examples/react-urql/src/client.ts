/** urql for this server: queries by HTTP, subscriptions by one websocket, everything kept once by its id. */

import { cacheExchange } from "@urql/exchange-graphcache";
import { retryExchange } from "@urql/exchange-retry";
import { Client, fetchExchange, subscriptionExchange } from "urql";
import { createLive, type Live, passes } from "./live";

/** Graphcache keeps what has an `id` once, by type and id; these have none, and are kept in what they belong to. */
const WITHOUT_ID = ["DeliveryStatistics", "IndicatorRate", "MessageConnection", "MessageUpdates"];

export function createApi(server: string, key: string): { client: Client; live: Live } {
  const url = `${server}/graphql`;
  const live = createLive(url, () => key);
  const client = new Client({
    url,
    preferGetMethod: false,
    fetchOptions: () => ({ headers: { authorization: `Bearer ${key}` } }),
    exchanges: [
      // An event about a campaign or a message changes whatever shows it.
      cacheExchange({ keys: Object.fromEntries(WITHOUT_ID.map((type) => [type, () => null])) }),
      // A page that is opened while the server restarts shows its figures as soon as that is there. What changes
      // something is never sent again unasked; and live.ts looks after subscriptions.
      retryExchange({
        initialDelayMs: 500,
        maxDelayMs: 10_000,
        maxNumberAttempts: Number.POSITIVE_INFINITY,
        retryIf: ({ networkError, graphQLErrors }, { kind }) =>
          kind === "query" && (networkError !== undefined || passes(graphQLErrors)),
      }),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query = "", variables = {} }) => ({
          subscribe: (sink) => ({ unsubscribe: live.client.subscribe({ query, variables }, sink) }),
        }),
      }),
    ],
  });
  return { client, live };
}
