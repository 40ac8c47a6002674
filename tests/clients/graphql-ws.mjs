import { createClient } from "graphql-ws";

/** How to subscribe over a websocket; all subscriptions share one. */
export function overWebSocket(url, key, options = {}) {
  const client = createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: () => ({ authorization: `Bearer ${key()}` }),
    retryAttempts: 0, // graphql-ws would repeat the first variables, and with them the first cursor
    ...options,
  });
  return (query, variables, sink) => client.subscribe({ query, variables }, sink);
}
