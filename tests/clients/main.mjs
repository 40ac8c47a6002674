// node main.mjs CLIENT '{"url", "key", "campaign", "after", "silence"}': what a client of that library sees, a JSON
// line each, until its input ends.
import WebSocket from "ws";
import { overEvents } from "./graphql-sse.mjs";
import { overMultipart } from "./apollo.mjs";
import { overWebSocket } from "./graphql-ws.mjs";
import { watchCampaign, watchMessages } from "./watch.mjs";

const CLIENTS = {
  "graphql-ws": (url, key) => overWebSocket(url, key, { webSocketImpl: WebSocket }),
  "graphql-sse": (url, key) => overEvents(url, key, silence),
  "@apollo/client": overMultipart,
};

const [, , name, given] = process.argv;
const { url, key, campaign, after, silence } = JSON.parse(given);
const subscribe = CLIENTS[name](url, () => key);

function say(word, value) {
  process.stdout.write(`${JSON.stringify({ [word]: value })}\n`);
}

/** The same, and it tells of the beginning and of the end of each subscription. */
function telling(query, variables, sink) {
  const field = query.includes("messagesUpdated") ? "messages" : "campaign";
  say("begun", { field, after: variables.after ?? null });
  let over = false;
  const lost = (reason) => {
    if (!over) say("lost", { field, code: reason?.code ?? null, why: why(reason) });
    over = true;
  };
  return subscribe(query, variables, {
    next(result) {
      if (!result.data) lost(result.errors ?? result.error);
      sink.next(result);
    },
    error(reason) {
      lost(reason);
      sink.error(reason);
    },
    complete() {
      lost("complete");
      sink.complete();
    },
  });
}

function why(reason) {
  return Array.isArray(reason) ? JSON.stringify(reason) : String(reason?.message || reason?.reason || reason);
}

watchMessages(
  telling,
  campaign,
  after,
  (update) => say("messages", update),
  (reason) => say("failed", why(reason)),
);
watchCampaign(
  telling,
  campaign,
  (seen) => say("campaign", seen),
  (reason) => say("failed", why(reason)),
);

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
