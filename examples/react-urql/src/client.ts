/** urql for this server: queries by HTTP, subscriptions by one websocket, everything kept once by its id. */

import { cacheExchange } from "@urql/exchange-graphcache";
import { retryExchange } from "@urql/exchange-retry";
import { Client, type Exchange, fetchExchange, mapExchange, subscriptionExchange } from "urql";
import type { MessagesUpdatedSubscription, PageQuery } from "./gql/graphql";
import { fetchWith, type Key } from "./key";
import { createLive, type Live, marked, passes } from "./live";

/** Graphcache keeps what has an `id` once, by type and id; these have none, and are kept in what they belong to. */
const WITHOUT_ID = ["DeliveryStatistics", "IndicatorRate", "MessageConnection", "MessageUpdates"];

/**
 * Graphcache keeps whatever comes, for as long as the page is open. Of a campaign with a million messages only those are
 * let in that somebody has looked at.
 */
function onlyThoseShown(): Exchange {
  const shown = new Set<string>();
  return mapExchange({
    onResult(result) {
      const data: Partial<PageQuery & MessagesUpdatedSubscription> = result.data ?? {};
      for (const { id } of data.campaign?.messages?.nodes ?? []) shown.add(id);
      if (!data.messagesUpdated) return result;
      const messages = data.messagesUpdated.messages.filter(({ id }) => shown.has(id));
      return { ...result, data: { ...data, messagesUpdated: { ...data.messagesUpdated, messages } } };
    },
  });
}

export function createApi(server: string, key: Key): { client: Client; live: Live } {
  const url = `${server}/graphql`;
  const live = createLive(url, key);
  const client = new Client({
    url,
    preferGetMethod: false,
    fetch: fetchWith(key),
    exchanges: [
      // An event about a campaign or a message changes whatever shows it.
      cacheExchange({ keys: Object.fromEntries(WITHOUT_ID.map((type) => [type, () => null])) }),
      onlyThoseShown(),
      mapExchange({ onResult: marked }),
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
