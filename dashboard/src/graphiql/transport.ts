import { createStore } from "./storage";

/** What subscriptions can go over. */
export const TRANSPORTS = { ws: "WebSocket", sse: "Server-sent events" } as const;

export type Transport = keyof typeof TRANSPORTS;

const NAME = "graphiql:subscriptions";
const store = createStore();
let chosen: Transport = store.getItem(NAME) === "sse" ? "sse" : "ws";

/** What the next subscription goes over. */
export function transport(): Transport {
  return chosen;
}

/** Chooses it, for this and later visits. */
export function chooseTransport(transport: Transport): void {
  chosen = transport;
  store.setItem(NAME, transport);
}
