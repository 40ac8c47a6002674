/** What a link like /graphiql/#key=...&campaign=... brings along. */
export interface Credentials {
  readonly key: string | null;
  readonly campaign: string | null;
}

/**
 * Takes key and campaign out of the address.
 *
 * They come in the fragment, because that is the part which a browser never sends to a server. It
 * is removed at once, so that the key does not stay in sight, in a bookmark or in a copied address.
 */
export function takeCredentials(): Credentials {
  // URLSearchParams reads "+" as a space, as forms do; here it is a character of an id.
  const link = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B"));
  if (location.hash !== "") {
    history.replaceState(null, "", location.pathname + location.search);
  }
  return { key: link.get("key") || null, campaign: link.get("campaign") || null };
}
