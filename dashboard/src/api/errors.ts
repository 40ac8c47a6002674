/** What went wrong, by the stable code that the server gives it (docs/http.md). */

import type { CombinedError } from "urql";

/** `NETWORK`: no answer came. */
export interface Failure {
  readonly code: string;
  /** The server's own words, in English; for codes that the page has no words for. */
  readonly message: string;
}

export function failureOf(error: CombinedError): Failure {
  const [first] = error.graphQLErrors;
  if (first) return { code: String(first.extensions["code"] ?? "UNKNOWN"), message: first.message };
  const status = (error.response as Response | undefined)?.status;
  if (status === 401) return { code: "UNAUTHENTICATED", message: error.message };
  return { code: "NETWORK", message: error.networkError?.message ?? error.message };
}

export function isRefused(error: CombinedError): boolean {
  return failureOf(error).code === "UNAUTHENTICATED";
}
