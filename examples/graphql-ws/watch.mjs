// node watch.mjs CAMPAIGN [CURSOR]: a campaign's figures and messages, as they change, over one websocket.
//
// It outlives restarts of the server: nothing is missed, nothing is told twice. CURSOR, which is printed at Ctrl-C, lets
// this script itself go on where it was.

import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const { SERVER = "http://127.0.0.1:8000", KEY = "" } = process.env;
const id = process.argv[2];
let cursor = process.argv[3];
/** @type {NodeJS.Timeout | undefined} */
let silence;

const client = createClient({
  url: `${SERVER.replace(/^http/, "ws")}/graphql`,
  connectionParams: () => ({ authorization: `Bearer ${KEY}` }), // asked for before each connection
  webSocketImpl: WebSocket, // browsers and Node.js 22 have one of their own
  retryAttempts: 0, // its own retries would begin at the first cursor again: see `events`
  keepAlive: 10_000, // a server that is gone without a word is noticed: it has to answer a ping within 5 seconds
  on: {
    ping: (received) => {
      if (!received) silence = setTimeout(() => client.terminate(), 5_000);
    },
    pong: (received) => {
      if (received) clearTimeout(silence); // else it is ours, to a ping of the server
    },
    closed: () => clearTimeout(silence),
  },
});

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
 * @param {any} reason errors of GraphQL, the close event of the socket, or an error of the network
 * @param {number} tries
 */
function isMistake(reason, tries) {
  if (Array.isArray(reason)) return !reason.every((error) => PASSES.includes(error.extensions?.code));
  if (reason?.code === 4403) return tries > 0; // no good key: once more, should connectionParams have a new one by then
  return [4400, 4401, 4406, 4409, 4429].includes(reason?.code); // 1012, 1013, 4408, 1006 and all else: come back
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
