/** Subscribing, over either transport, with the headers of the editor, without retries: who explores sees what happens. */

import type { FetcherParams, Observable } from "@graphiql/toolkit";
import type { ExecutionResult } from "graphql";
import { createClient as createEventClient, NetworkError } from "graphql-sse";
import { createClient as createSocketClient } from "graphql-ws";

export type Events = Observable<ExecutionResult<Record<string, unknown>>>;
type Headers = Record<string, unknown>;

interface Sink {
  next(result: unknown): void;
  error(error: unknown): void;
  complete(): void;
}

// A client for each run, so that a connection never carries the headers of an earlier one.

/**
 * Over a socket, with the headers in connection_init.
 *
 * Not by the toolkit's own way, which passes the names on as they were typed, tries a refused key again for half a
 * minute, and shows a stack trace for a closed connection.
 */
export function overSocket(url: string, params: FetcherParams, headers: Headers): Events {
  const client = createSocketClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
    ),
    retryAttempts: 0,
  });
  return events((sink) =>
    client.subscribe(params, {
      ...sink,
      error: (cause) => sink.error(cause instanceof CloseEvent ? closed(cause) : cause),
    }),
  );
}

/** As server-sent events, a request for each subscription. */
export function overEvents(url: string, params: FetcherParams, headers: Headers): Events {
  const client = createEventClient({ url, headers: headers as Record<string, string>, retryAttempts: 0 });
  const { operationName, ...request } = params;
  return events((sink) =>
    client.subscribe(operationName ? { ...request, operationName } : request, {
      ...sink,
      error: (cause: unknown) => void refused(cause).then(sink.error),
    }),
  );
}

function events(subscribe: (sink: Sink) => () => void): Events {
  const observable = {
    subscribe: ({ next, error, complete }: Sink) => ({
      unsubscribe: subscribe({ next, error, complete }),
    }),
  };
  // The type knows three more ways to subscribe; GraphiQL uses this one.
  return observable as Events;
}

function closed({ code, reason }: CloseEvent): { message: string } {
  return { message: `The server closed the connection: ${code} ${reason}`.trim() };
}

/** The server's own errors, where it answered with some; else one line, not a stack trace. */
async function refused(cause: unknown): Promise<unknown> {
  if (cause instanceof NetworkError && cause.response instanceof Response) {
    const { errors }: { errors?: unknown } = await cause.response.json().catch(() => ({}));
    if (errors) return errors;
  }
  return { message: cause instanceof Error ? cause.message : String(cause) };
}
