import {
  createGraphiQLFetcher,
  type Fetcher,
  type FetcherParams,
  type Observable,
} from "@graphiql/toolkit";
import { type DocumentNode, type ExecutionResult, getOperationAST, parse } from "graphql";
import { createClient } from "graphql-ws";

type Events = Observable<ExecutionResult<Record<string, unknown>>>;

interface Sink {
  next(result: unknown): void;
  error(error: unknown): void;
  complete(): void;
}

const http = new URL("/graphql", location.href).href;

// Without incremental delivery the answer is plain JSON, not a multipart response.
const ask = createGraphiQLFetcher({ url: http, enableIncrementalDelivery: false });

/** Runs an operation of GraphiQL: a subscription over a socket, everything else over HTTP. */
export const fetcher: Fetcher = (params, options) => {
  // Not GraphiQL's documentAST and operationName: they follow the editor a tenth of a second late,
  // and what is run right after a change of tab would be taken for the operation of the tab before.
  const document = read(params.query);
  const operation =
    document && (getOperationAST(document, params.operationName) ?? getOperationAST(document));
  const current = { ...params, operationName: operation?.name?.value ?? null };
  const headers = options?.headers ?? {};
  return operation?.operation === "subscription" ? watch(current, headers) : ask(current, { headers });
};

/** The document; nothing where it is none, for the server says what is wrong with it. */
function read(query: string): DocumentNode | undefined {
  try {
    return parse(query);
  } catch {
    return undefined;
  }
}

/**
 * Subscribes with the headers of the editor in connection_init.
 *
 * Not by the toolkit's own way, which passes the names on as they were typed, tries a refused key
 * again for half a minute, and shows a stack trace for a closed connection.
 */
function watch(params: FetcherParams, headers: Record<string, unknown>): Events {
  // A client for each run, so that a connection never carries the headers of an earlier one. It is
  // lazy: it connects for the subscription, and closes when that is stopped.
  const client = createClient({
    url: http.replace(/^http/, "ws"),
    connectionParams: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
    ),
    retryAttempts: 0,
  });
  const subscribe = ({ next, error, complete }: Sink) => ({
    unsubscribe: client.subscribe(params, {
      next,
      error: (cause) => error(cause instanceof CloseEvent ? explain(cause) : cause),
      complete,
    }),
  });
  // The type knows three more ways to subscribe; GraphiQL uses this one.
  return { subscribe } as Events;
}

function explain({ code, reason }: CloseEvent): { message: string } {
  return { message: `The server closed the connection: ${code} ${reason}`.trim() };
}
