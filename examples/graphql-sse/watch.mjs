// node watch.mjs CAMPAIGN [CURSOR]: a campaign's figures and messages, as they change, over server-sent events.
//
// It outlives restarts of the server: nothing is missed, nothing is told twice. CURSOR, which is printed at Ctrl-C, lets
// this script itself go on where it was.

import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "graphql-sse";

const { SERVER = "http://127.0.0.1:8000", KEY = "", SILENCE = "45" } = process.env;
const id = process.argv[2];
let cursor = process.argv[3];

const client = createClient({
  url: `${SERVER}/graphql`,
  headers: () => ({ authorization: `Bearer ${KEY}` }), // asked for before each connection
  retryAttempts: 0, // its own retries would begin at the first cursor again: see `events`
  fetchFn: fetchWhileAlive, // `fetch` itself waits for minutes, in a browser for ever
});

/**
 * `fetch`, whose connection is lost after SILENCE seconds without a byte: the server says something after 20 at most. So
 * nobody is there any more (another network, a proxy that has forgotten us).
 * @param {string} url
 * @param {RequestInit & { signal: AbortSignal }} request
 */
async function fetchWhileAlive(url, request) {
  const control = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const end = () => {
    clearTimeout(timer);
    control.abort(new Error(`Nothing came for ${SILENCE} s.`));
  };
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(end, Number(SILENCE) * 1000);
  };
  request.signal.addEventListener("abort", end); // the subscription is ended by us
  heard();
  const response = await fetch(url, { ...request, signal: control.signal });
  const watched = new TransformStream({
    transform(bytes, controller) {
      heard();
      controller.enqueue(bytes);
    },
    flush: () => clearTimeout(timer),
  });
  return new Response(response.body?.pipeThrough(watched), response);
}

/**
 * Every event of a subscription, over as many connections as it takes.
 * @param {string} query
 * @param {() => Record<string, unknown>} variables asked for before each connection: they hold the newest cursor
 * @returns {AsyncGenerator<any>}
 */
async function* events(query, variables) {
  for (let tries = 0; ; tries++) {
    try {
      for await (const { data, errors } of client.iterate({ query, variables: variables() })) {
        if (errors) throw errors;
        tries = 0;
        yield data;
      }
    } catch (reason) {
      if (isMistake(reason, tries)) throw reason;
    }
    // A little longer after each failure; and not all clients at once when the server is back.
    const wait = Math.min(500 * 2 ** tries, 30_000) * (0.5 + Math.random() / 2);
    console.error(`The connection is lost; again in ${(wait / 1000).toFixed(1)} s.`);
    await sleep(wait);
  }
}

const PASSES = ["INTERNAL_ERROR", "RATE_LIMITED", "TIMEOUT", "TOO_MANY_CONNECTIONS", "TOO_MANY_OPERATIONS", "UNAVAILABLE"];

/**
 * What another try would only repeat.
 * @param {any} reason errors of GraphQL, or a NetworkError, with the `response` that was refused
 * @param {number} tries
 */
function isMistake(reason, tries) {
  if (Array.isArray(reason)) return !reason.every((error) => PASSES.includes(error.extensions?.code));
  const status = reason?.response?.status;
  if (status === 401) return tries > 0; // no good key: once more, should `headers` have a new one by then
  return [400, 403, 404, 405, 413, 415].includes(status); // 429, 503, no answer and a stream that is cut: come back
}

const CAMPAIGN = `query Campaign($id: ID!) { campaign(id: $id) { name updatesCursor } }`;

const FIGURES = `subscription Figures($id: ID!) {
  campaignUpdated(id: $id) {
    statistics { revision total indicators { label count rate } }
  }
}`;

const MESSAGES = `subscription Messages($id: ID!, $after: String!) {
  messagesUpdated(campaignId: $id, after: $after) {
    cursor
    resync
    messages { id recipient status }
  }
}`;

/** The figures as they are, and then as they become. After a loss the first event is their present state again. */
async function watchFigures() {
  let revision = -1;
  for await (const { campaignUpdated } of events(FIGURES, () => ({ id }))) {
    const { statistics } = campaignUpdated;
    if (statistics.revision === revision) continue;
    revision = statistics.revision;
    const rates = statistics.indicators.map(
      (/** @type {any} */ { label, count, rate }) => `${label} ${count} (${((rate ?? 0) * 100).toFixed(1)}%)`,
    );
    console.log(`${statistics.total} messages: ${rates.join(", ")}`);
  }
}

/** Each message that changes. It may come twice, so it takes the place of the one with its id, and is not added up. */
async function watchMessages() {
  const known = new Map(); // a table of your own, say, that has the id as its key
  for await (const { messagesUpdated } of events(MESSAGES, () => ({ id, after: cursor }))) {
    // Away for longer than changes are kept (GQL_OUTBOX_HOURS), or the database was restored.
    if (messagesUpdated.resync) console.error("Some changes are no longer kept: query all messages again.");
    for (const message of messagesUpdated.messages) {
      if (known.get(message.id) === message.status) continue;
      known.set(message.id, message.status);
      console.log(`${message.recipient} ${message.status}`);
    }
    cursor = messagesUpdated.cursor; // only now: what was not told yet comes again
  }
}

process.on("SIGINT", () => {
  console.error(`To go on from here: node watch.mjs ${id} ${cursor}`);
  process.exit();
});

// Query, then subscribe from the cursor of the answer: between the two nothing is lost.
const { value } = await events(CAMPAIGN, () => ({ id })).next();
if (!value.campaign) throw new Error("There is no such campaign.");
console.log(value.campaign.name);
cursor ??= value.campaign.updatesCursor;
await Promise.all([watchFigures(), watchMessages()]);
