/** What a link to this page brings along in its fragment, the part which a browser never sends to a server. */
export interface Link {
  readonly key: string | null;
  readonly campaign: string | null;
  readonly query: string | null;
  readonly variables: string | null;
}

/**
 * Takes it out of the address: /graphiql/#key=...&campaign=..., or a view's query (parts/query-link.tsx).
 *
 * It is removed at once, so that the key does not stay in sight, in a bookmark or in a copied address.
 */
export function takeLink(): Link {
  const brought = location.hash.slice(1);
  if (location.hash !== "") {
    history.replaceState(null, "", location.pathname + location.search);
  }
  const view = new URLSearchParams(brought);
  // URLSearchParams reads "+" as a space, as it writes one; in a link made by others it is a character of an id.
  const access = new URLSearchParams(brought.replaceAll("+", "%2B"));
  return {
    key: access.get("key") || null,
    campaign: access.get("campaign") || null,
    query: view.get("query") || null,
    variables: view.get("variables") || null,
  };
}
