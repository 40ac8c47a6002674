/**
 * The socket: one for the page, tried again without end, and what it says of itself.
 *
 * A subscription that was cut off goes on by itself: the client subscribes again with its variables as they are *then*,
 * so variables with a getter for the last cursor resume without a gap.
 */

import type { GraphQLFormattedError } from "graphql";
import { type Client, createClient, type SubscribePayload } from "graphql-ws";
import type { Pace } from "./pace";

/** How true is what the page shows. */
export interface LiveStatus {
  /** `live`: every subscription has had an event since the connection stands, so nothing is missing. */
  readonly state: "connecting" | "live" | "offline";
  /** Since when it is so. */
  readonly since: Date;
  /** How many times a lost connection came back: who queried before must query again. */
  readonly returns: number;
}

/** What an event brings. */
export interface Result {
  readonly data?: Record<string, unknown> | null | undefined;
  readonly errors?: readonly GraphQLFormattedError[] | undefined;
}

export interface Sink {
  next(result: Result): void;
  error(error: unknown): void;
  complete(): void;
}

export interface Live {
  subscribe(payload: SubscribePayload, sink: Sink): () => void;
  status(): LiveStatus;
  watch(changed: () => void): () => void;
  close(): void;
}

const FORBIDDEN = 4403;
/** Codes of errors after which the same subscription may begin a moment later. */
const TEMPORARY = new Set(["UNAVAILABLE", "TIMEOUT", "RATE_LIMITED", "TOO_MANY_OPERATIONS", "INTERNAL_ERROR"]);
const SILENT_MS = 10_000;
const LONGEST_WAIT_MS = 10_000;

/** @param refused the server does not take the credential (any more) */
export function createLive(credential: string, pace: Pace, refused: () => void): Live {
  let status: LiveStatus = { state: "connecting", since: new Date(), returns: 0 };
  let lost = false;
  let connected = false;
  let answer: ReturnType<typeof setTimeout> | undefined;
  const watchers = new Set<() => void>();
  const open = new Set<object>();
  const behind = new Set<object>();

  function say(state: LiveStatus["state"], returns = status.returns): void {
    if (state === status.state && returns === status.returns) return;
    status = { state, since: new Date(), returns };
    for (const watcher of watchers) watcher();
  }

  function arrived(subscription: object): void {
    if (behind.delete(subscription)) settle();
  }

  function settle(): void {
    if (connected && behind.size === 0) say("live");
  }

  const client: Client = createClient({
    url: new URL("/graphql", location.href).href.replace(/^http/, "ws"),
    connectionParams: { authorization: `Bearer ${credential}` },
    lazy: false,
    keepAlive: SILENT_MS,
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: (reason) => !(isClose(reason) && reason.code === FORBIDDEN),
    retryWait: waitUntilWorthATry,
    onNonLazyError: (reason) => {
      if (isClose(reason) && reason.code === FORBIDDEN) refused();
    },
    on: {
      connected: () => {
        connected = true;
        for (const subscription of open) behind.add(subscription);
        if (lost) say(status.state, status.returns + 1);
        lost = false;
        settle();
      },
      closed: (event) => {
        connected = false;
        lost = true;
        if (isClose(event) && event.code === FORBIDDEN) refused();
        else say("offline");
      },
      ping: (received) => {
        if (received) return;
        // A server that is gone without a word: no answer to a ping of ours is a loss.
        answer = setTimeout(() => client.terminate(), SILENT_MS / 2);
      },
      pong: (received) => {
        if (received) clearTimeout(answer);
      },
    },
  });
  return {
    subscribe(payload, sink) {
      const subscription = {};
      let over = false;
      open.add(subscription);
      if (connected) behind.add(subscription);
      const done = () => {
        over = true;
        open.delete(subscription);
        arrived(subscription);
      };
      let failures = 0;
      let stop = () => {};
      const begin = () => {
        stop = client.subscribe<Record<string, unknown>, unknown>(payload, {
          next: (result) =>
            pace(() => {
              if (over) return;
              failures = 0;
              sink.next(result);
              arrived(subscription);
            }),
          error: (error) =>
            pace(() => {
              if (over) return;
              if (isTemporary(error)) {
                again();
                return;
              }
              done();
              sink.error(error);
            }),
          complete: () =>
            pace(() => {
              if (over) return;
              done();
              sink.complete();
            }),
        });
      };
      const again = () => {
        behind.add(subscription);
        if (connected) say("connecting");
        failures += 1;
        void waitUntilWorthATry(failures).then(() => {
          if (!over) begin();
        });
      };
      begin();
      return () => {
        done();
        stop();
      };
    },
    status: () => status,
    watch(changed) {
      watchers.add(changed);
      return () => watchers.delete(changed);
    },
    close() {
      clearTimeout(answer);
      void client.dispose();
    },
  };
}

function isClose(reason: unknown): reason is CloseEvent {
  return typeof reason === "object" && reason !== null && "code" in reason;
}

/** Whether the server has refused a subscription for now only. */
function isTemporary(error: unknown): boolean {
  return (
    Array.isArray(error) &&
    error.some((one: GraphQLFormattedError) => TEMPORARY.has(String(one.extensions?.["code"])))
  );
}

/** A little longer after each failure, never all pages at once, and no longer than until the network is back. */
function waitUntilWorthATry(failures: number): Promise<void> {
  const longest = Math.min(500 * 2 ** failures, LONGEST_WAIT_MS);
  return new Promise((resolve) => {
    const go = () => {
      clearTimeout(timer);
      removeEventListener("online", go);
      resolve();
    };
    const timer = setTimeout(go, longest * (0.5 + Math.random() / 2));
    addEventListener("online", go);
  });
}
