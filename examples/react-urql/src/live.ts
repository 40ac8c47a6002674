/**
 * One websocket for the whole page. It is tried again without end, and subscriptions go on where they were:
 *
 * - graphql-ws subscribes again after each loss, and sends the variables as they are *then*. So `after` is moved along
 *   with the cursor of each event, and nothing is missed while the connection is away.
 * - A server that is gone without a word is noticed: it has to answer a ping every 10 seconds.
 * - Close code 4403 says that the key is not good: that is told, and not tried again.
 */

import { type Client, createClient, type FormattedExecutionResult } from "graphql-ws";

export type LiveState = "connecting" | "live" | "offline" | "refused";

export interface Live {
  /** For the link or exchange of a GraphQL client. */
  readonly client: Client;
  state(): LiveState;
  /** Calls back whenever the state changes, until the returned function is called. */
  watch(changed: () => void): () => void;
}

const PING_EVERY_MS = 10_000;
const PONG_WITHIN_MS = 5_000;
const KEY_IS_NOT_GOOD = 4403;
/** Codes of errors that say: the same again, a moment later. */
const PASSES = new Set([
  "INTERNAL_ERROR",
  "RATE_LIMITED",
  "TIMEOUT",
  "TOO_MANY_CONNECTIONS",
  "TOO_MANY_OPERATIONS",
  "UNAVAILABLE",
]);

/** @param url of the GraphQL endpoint; @param key asked for before each connection, so that it may be a fresh token */
export function createLive(url: string, key: () => string): Live {
  let state: LiveState = "connecting";
  let silence: ReturnType<typeof setTimeout> | undefined;
  const watchers = new Set<() => void>();

  function say(next: LiveState): void {
    state = next;
    for (const changed of watchers) changed();
  }

  const client = createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: () => ({ authorization: `Bearer ${key()}` }),
    keepAlive: PING_EVERY_MS,
    // The default gives up after five tries, and at once where the server cannot be reached at all.
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: (reason) => !isRefusal(reason),
    retryWait: (failures) => new Promise((go) => setTimeout(go, backoff(failures))),
    on: {
      connected: () => say("live"),
      closed: (event) => {
        clearTimeout(silence);
        say(isRefusal(event) ? "refused" : "offline");
      },
      ping: (received) => {
        if (!received) silence = setTimeout(() => client.terminate(), PONG_WITHIN_MS);
      },
      pong: (received) => {
        if (received) clearTimeout(silence);
      },
    },
  });

  return {
    client: { ...client, subscribe: resuming(client) },
    state: () => state,
    watch(changed) {
      watchers.add(changed);
      return () => watchers.delete(changed);
    },
  };
}

/** `client.subscribe`, whose variable `after` follows the cursors that come, and that tries again what passes. */
function resuming(client: Client): Client["subscribe"] {
  return (payload, sink) => {
    const variables = { ...payload.variables };
    let tries = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stop = () => {};
    const begin = () => {
      stop = client.subscribe<never, never>({ ...payload, variables }, {
        next(result) {
          tries = 0;
          sink.next(result);
          const cursor = cursorOf(result);
          if (cursor !== undefined) variables["after"] = cursor;
        },
        error(reason) {
          if (passes(reason)) timer = setTimeout(begin, backoff(tries++));
          else sink.error(isClose(reason) ? new Error(`Closed: ${reason.code} ${reason.reason}`) : reason);
        },
        complete: () => sink.complete(),
      });
    };
    begin();
    return () => {
      clearTimeout(timer);
      stop();
    };
  };
}

function cursorOf({ data }: FormattedExecutionResult<{ messagesUpdated?: { cursor: string } }>) {
  return data?.messagesUpdated?.cursor;
}

/** A little longer after each failure, at most 10 s; and not all pages at once when a server is back. */
function backoff(failures: number): number {
  return Math.min(500 * 2 ** failures, 10_000) * (0.5 + Math.random() / 2);
}

function isClose(reason: unknown): reason is CloseEvent {
  return typeof reason === "object" && reason !== null && "code" in reason && "reason" in reason;
}

function isRefusal(reason: unknown): boolean {
  return isClose(reason) && reason.code === KEY_IS_NOT_GOOD;
}

/** Whether these are errors that pass, so that the same may be asked again a moment later. */
export function passes(reason: unknown): boolean {
  if (!Array.isArray(reason) || reason.length === 0) return false;
  return reason.every((error) => PASSES.has(error?.extensions?.code));
}
