/** Apollo Client for this server: queries by HTTP, subscriptions by one websocket, everything kept once by its id. */

import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, ServerError } from "@apollo/client";
import { RetryLink } from "@apollo/client/link/retry";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import { map } from "rxjs";
import { fetchWith, type Key } from "./key";
import { createLive, type Live, marked, passes } from "./live";

/** HTTP statuses after which another try would be answered the same. */
const MISTAKES = [400, 401, 403, 404, 405, 413, 415];

/** An answer that says "again, a moment later" becomes a failure, which RetryLink tries again. Others are marked. */
const answers = new ApolloLink((operation, forward) =>
  forward(operation).pipe(
    map((result) => {
      if (passes(result.errors)) throw new CombinedGraphQLErrors(result);
      return marked(result);
    }),
  ),
);

export function createApi(server: string, key: Key): { client: ApolloClient; live: Live } {
  const url = `${server}/graphql`;
  const live = createLive(url, key);
  const http = ApolloLink.from([
    // A page that is opened while the server restarts shows its figures as soon as that is there. What changes
    // something is never sent again unasked.
    new RetryLink({
      delay: { initial: 500, max: 10_000, jitter: true },
      attempts: {
        max: Number.POSITIVE_INFINITY,
        retryIf: (error, { operationType }) =>
          operationType === OperationTypeNode.QUERY &&
          !(ServerError.is(error) && MISTAKES.includes(error.statusCode)),
      },
    }),
    answers,
    new HttpLink({ uri: url, fetch: fetchWith(key) }),
  ]);
  const client = new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(live.client),
      http,
    ),
    // Campaign:ID and Message:ID are found by `__typename` and `id`, which is Apollo's default: an event about them
    // changes whatever shows them. Figures have no id; those of an event replace those that were there as a whole.
    cache: new InMemoryCache({
      typePolicies: {
        Campaign: { fields: { statistics: { merge: false }, messages: { merge: false } } },
        Subscription: { fields: { messagesUpdated: { merge: false } } },
      },
    }),
  });
  return { client, live };
}
