/**
 * One websocket for the whole page. It is tried again without end, and subscriptions go on where they were:
 *
 * - graphql-ws subscribes again after each loss, and sends the variables as they are *then*. So `after` is moved along
 *   with the cursor of each event, and nothing is missed while the connection is away.
 * - A subscription that fails for now, or is over though there is more to come, begins again in the same way.
 * - A server that is gone without a word is noticed: it has to answer a ping every 10 seconds.
 * - Close code 4403 says that the key is not good any more: once more, with the key that is good then. Refused again,
 *   that is told, and not tried again.
 */

import { type Client, createClient, type FormattedExecutionResult } from "graphql-ws";
import type { Key } from "./key";

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

/** @param url of the GraphQL endpoint */
export function createLive(url: string, key: Key): Live {
  let socket: LiveState = "connecting";
  /** How many times in a row the key was refused. */
  let refusals = 0;
  let silence: ReturnType<typeof setTimeout> | undefined;
  const watchers = new Set<() => void>();
  /** Subscriptions that wait for another try, whatever the socket does. */
  const behind = new Set<unknown>();

  function tell(): void {
    for (const changed of watchers) changed();
  }

  function say(next: LiveState): void {
    socket = next;
    tell();
  }

  const client = createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: async () => ({ authorization: `Bearer ${await key()}` }),
    keepAlive: PING_EVERY_MS,
    // The default gives up after five tries, and at once where the server cannot be reached at all.
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: (reason) => !isRefusal(reason) || refusals < 2,
    retryWait: (failures) => new Promise((go) => setTimeout(go, backoff(failures))),
    on: {
      connected: () => {
        refusals = 0;
        say("live");
      },
      closed: (event) => {
        clearTimeout(silence);
        if (isRefusal(event)) refusals += 1;
        say(refusals < 2 ? "offline" : "refused");
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
    client: { ...client, subscribe: resuming(client, behind, tell) },
    state: () => (socket === "live" && behind.size > 0 ? "connecting" : socket),
    watch(changed) {
      watchers.add(changed);
      return () => watchers.delete(changed);
    },
  };
}

/** `client.subscribe`, whose variable `after` follows the cursors that come, and that tries again what passes. */
function resuming(client: Client, behind: Set<unknown>, tell: () => void): Client["subscribe"] {
  return (payload, sink) => {
    const variables = { ...payload.variables };
    if (typeof variables["after"] === "string") variables["after"] = unmarked(variables["after"]);
    let tries = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stop = () => {};

    const begin = () => {
      let over = false;
      /** Without a reason it was completed: these subscriptions end by themselves never. */
      const end = (reason?: unknown) => {
        if (over) return;
        over = true;
        if (reason === undefined || passes(reason)) {
          behind.add(sink);
          timer = setTimeout(begin, backoff(tries++));
        } else {
          behind.delete(sink);
          sink.error(isClose(reason) ? new Error(`Closed: ${reason.code} ${reason.reason}`) : reason);
        }
        tell();
      };
      const leave = client.subscribe<never, never>({ ...payload, variables }, {
        next(result) {
          if (over) return;
          if (result.errors) {
            // What this event was to tell is still to come. Another one's cursor would leave it out: so none is taken.
            end(result.errors);
            leave();
            return;
          }
          tries = 0;
          if (behind.delete(sink)) tell();
          sink.next(result);
          const cursor = cursorOf(result);
          if (cursor !== undefined) variables["after"] = cursor;
        },
        error: end,
        complete: () => end(),
      });
      stop = () => {
        over = true;
        leave();
      };
    };

    begin();
    return () => {
      clearTimeout(timer);
      stop();
      if (behind.delete(sink)) tell();
    };
  };
}

let answers = 0;

/**
 * The answer of a query, whose `updatesCursor` is marked as this answer's own.
 *
 * An answer may be older than an event that came while it was on its way, and is written over what that brought. So a
 * subscription has to begin again after each answer, from its cursor; also where that says the same as the last one, as
 * it does while nothing happens. The mark makes it a new value of `after`, and with that any library subscribes again.
 */
export function marked<Result extends { data?: any }>(result: Result): Result {
  const campaign = result.data?.campaign;
  if (!campaign?.updatesCursor) return result;
  const updatesCursor = `${campaign.updatesCursor}#${++answers}`;
  return { ...result, data: { ...result.data, campaign: { ...campaign, updatesCursor } } };
}

function unmarked(cursor: string): string {
  return cursor.replace(/#\d+$/, "");
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
