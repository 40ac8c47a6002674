import { createGraphiQLFetcher, type Fetcher } from "@graphiql/toolkit";
import { type DocumentNode, getOperationAST, parse } from "graphql";
import { overEvents, overSocket } from "./subscriptions";
import { transport } from "./transport";

const http = new URL("/graphql", location.href).href;

// Without incremental delivery the answer is plain JSON, not a multipart response.
const ask = createGraphiQLFetcher({ url: http, enableIncrementalDelivery: false });

/**
 * Runs an operation of GraphiQL: a subscription over what was chosen for them, everything else over HTTP.
 *
 * @param ran hears of each document that is run
 */
export function createFetcher(ran: (document: DocumentNode) => void): Fetcher {
  return (params, options) => {
    // Not GraphiQL's documentAST and operationName: they follow the editor a tenth of a second late,
    // and what is run right after a change of tab would be taken for the operation of the tab before.
    const document = read(params.query);
    const operation =
      document && (getOperationAST(document, params.operationName) ?? getOperationAST(document));
    const current = { ...params, operationName: operation?.name?.value ?? null };
    const headers = options?.headers ?? {};
    if (document) ran(document);
    if (operation?.operation !== "subscription") return ask(current, { headers });
    const watch = transport() === "sse" ? overEvents : overSocket;
    return watch(http, current, headers);
  };
}

/** The document; nothing where it is none, for the server says what is wrong with it. */
function read(query: string): DocumentNode | undefined {
  try {
    return parse(query);
  } catch {
    return undefined;
  }
}
