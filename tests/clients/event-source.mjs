/** How to subscribe with a browser's EventSource. It cannot send a key: the url is that of a proxy which adds it. */
export function overEventSource(url) {
  return (query, variables, sink) => {
    const asked = new URLSearchParams({ query, variables: JSON.stringify(variables) });
    const source = new EventSource(`${url}?${asked}`);
    source.addEventListener("next", ({ data }) => sink.next(JSON.parse(data)));
    source.addEventListener("complete", () => {
      source.close(); // else it would come back
      sink.complete();
    });
    source.addEventListener("error", () => {
      // It comes back by itself, with its last event's id; but not after an answer that is no stream (503, say).
      if (source.readyState === EventSource.CLOSED) sink.error(new Error("refused"));
    });
    return () => source.close();
  };
}
