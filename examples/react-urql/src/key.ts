/** The key as it is at the moment: a token is good for minutes, and a page is open for days. */

/** Asked for before each connection and each request: what an identity provider's library has for getting a token. */
export type Key = () => string | Promise<string>;

/** `fetch` that shows the key. After a 401 once more, with the key that is good then; a second 401 is the answer. */
export function fetchWith(key: Key): typeof fetch {
  const send: typeof fetch = async (input, init) => {
    const headers = new Headers(init?.headers);
    headers.set("authorization", `Bearer ${await key()}`);
    return fetch(input, { ...init, headers });
  };
  return async (input, init) => {
    const answer = await send(input, init);
    // Of a request that was refused nothing was done: so this may be a mutation as well.
    return answer.status === 401 ? send(input, init) : answer;
  };
}
