import { createClient } from "graphql-sse";

/** How to subscribe over server-sent events. */
export function overEvents(url, key, silence = 45_000) {
  const client = createClient({
    url,
    headers: () => ({ authorization: `Bearer ${key()}` }),
    retryAttempts: 0, // graphql-sse would repeat the first variables, and with them the first cursor
    fetchFn: (where, request) => fetchWhileAlive(where, request, silence),
  });
  return (query, variables, sink) => client.subscribe({ query, variables }, sink);
}

/**
 * `fetch`, whose connection is lost after so many milliseconds without a byte: the server says something after 20 s at
 * most. By itself `fetch` waits for minutes (Node.js), or for ever (a browser).
 */
async function fetchWhileAlive(url, request, silence) {
  const control = new AbortController();
  let timer;
  const end = () => {
    clearTimeout(timer);
    control.abort(new Error("Nothing is heard of the server."));
  };
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(end, silence);
  };
  request.signal.addEventListener("abort", end); // the subscription is ended by us
  heard();
  const response = await fetch(url, { ...request, signal: control.signal });
  const watched = new TransformStream({
    transform(bytes, controller) {
      heard();
      controller.enqueue(bytes);
    },
    flush: () => clearTimeout(timer),
  });
  return new Response(response.body?.pipeThrough(watched), response);
}
