import { createClient } from "graphql-sse";

/** How to subscribe over server-sent events. */
export function overEvents(url, key) {
  const client = createClient({
    url,
    headers: () => ({ authorization: `Bearer ${key()}` }),
    retryAttempts: 0, // graphql-sse would repeat the first variables, and with them the first cursor
  });
  return (query, variables, sink) => client.subscribe({ query, variables }, sink);
}
