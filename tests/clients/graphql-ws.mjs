import { createClient } from "graphql-ws";

/** How to subscribe over a websocket; all subscriptions share one. */
export function overWebSocket(url, key, options = {}) {
  let silence;
  const client = createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: () => ({ authorization: `Bearer ${key()}` }),
    retryAttempts: 0, // graphql-ws would repeat the first variables, and with them the first cursor
    keepAlive: 10_000, // a ping after so long; it has to be answered within 5 seconds
    on: {
      ping: (received) => {
        if (!received) silence = setTimeout(() => client.terminate(), 5_000);
      },
      pong: (received) => {
        if (received) clearTimeout(silence);
      },
      closed: () => clearTimeout(silence),
    },
    ...options,
  });
  return (query, variables, sink) => client.subscribe({ query, variables }, sink);
}
