/** The way to the server for one credential: queries, subscriptions, files. Pages find it by `useApi`. */

import { createContext, use, useEffect, useRef, useSyncExternalStore } from "react";
import {
  type AnyVariables,
  Client,
  fetchExchange,
  mapExchange,
  subscriptionExchange,
  type TypedDocumentNode,
  useQuery,
  type UseQueryArgs,
  type UseQueryResponse,
} from "urql";
import { createCache } from "./cache";
import { isRefused } from "./errors";
import { createLive, type Live, type LiveStatus, type Sink } from "./live";
import { createPace } from "./pace";
import { type Answer, send } from "./upload";

export interface Api {
  /** Queries and mutations, kept by id; subscriptions change what is kept. */
  readonly client: Client;
  /**
   * Queries that are not kept. A list of a million messages is looked at through a window: kept, everything that was
   * ever scrolled past would stay.
   */
  readonly uncached: Client;
  readonly live: Live;
  /** `fetch` of the server's other addresses, with the credential. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Sends a file with the credential, and tells how much of it is sent, 0 to 1. */
  upload(
    path: string,
    file: Blob,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    progress: (share: number) => void,
  ): Promise<Answer>;
  close(): void;
}

/** @param refused the server does not take the credential (any more) */
export function createApi(credential: string, refused: () => void): Api {
  const authorization = `Bearer ${credential}`;
  const live = createLive(credential, createPace(), refused);
  const url = new URL("/graphql", location.href).href;
  const options = { url, preferGetMethod: false, fetchOptions: { headers: { authorization } } } as const;
  const watchful = mapExchange({
    onError(error) {
      if (isRefused(error)) refused();
    },
  });
  const client = new Client({
    ...options,
    exchanges: [
      watchful,
      createCache(),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query = "", variables }) => ({
          subscribe: (sink) => ({
            unsubscribe: live.subscribe({ query, variables: variables ?? null }, sink as Sink),
          }),
        }),
      }),
    ],
  });
  const uncached = new Client({
    ...options,
    requestPolicy: "network-only",
    exchanges: [watchful, fetchExchange],
  });
  return {
    client,
    uncached,
    live,
    async fetch(path, init = {}) {
      const headers = new Headers(init.headers);
      headers.set("authorization", authorization);
      const response = await fetch(path, { ...init, headers });
      if (response.status === 401) refused();
      return response;
    },
    async upload(path, file, headers, signal, progress) {
      const answer = await send(path, file, { ...headers, authorization }, signal, progress);
      if (answer.status === 401) refused();
      return answer;
    },
    close: live.close,
  };
}

export const ApiContext = createContext<Api | null>(null);

export function useApi(): Api {
  const api = use(ApiContext);
  if (api === null) throw new Error("There is no API before the sign-in");
  return api;
}

export function useLiveStatus(): LiveStatus {
  const { live } = useApi();
  return useSyncExternalStore(live.watch, live.status);
}

/** A query that is asked again when a lost connection is back: what it shows may have changed meanwhile. */
export function useLiveQuery<Data, Variables extends AnyVariables>(
  args: UseQueryArgs<Variables, Data>,
): UseQueryResponse<Data, Variables> {
  const response = useQuery<Data, Variables>(args);
  const [{ error }, again] = response;
  const { returns } = useLiveStatus();
  const seen = useRef(returns);
  const failed = useRef(false);
  failed.current = error?.networkError !== undefined;
  useEffect(() => {
    if (seen.current === returns) return;
    seen.current = returns;
    if (!args.pause) again({ requestPolicy: failed.current ? "network-only" : "cache-and-network" });
  }, [returns, again, args.pause]);
  return response;
}

/** The document as somebody would write it, for GraphiQL. */
export type AnyDocument = TypedDocumentNode<unknown, never>;
