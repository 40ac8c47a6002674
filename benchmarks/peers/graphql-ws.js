// The peer "graphql-ws on ws": the library's own server over graphql-js, with a pubsub in the process.
//
// node graphql-ws.js MONGODB_URL DATABASE

import { createServer } from "node:http";
import { buildSchema } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";
import { announce, openCampaigns, typeDefs } from "./campaigns.js";

const read = await openCampaigns(process.argv[2], process.argv[3]);

/** What was published to a subscription and is not taken yet; the cheapest pubsub there can be. */
class Subscriber {
  static all = new Map();
  #events = [];
  #waiting = null;

  constructor(topic) {
    this.topic = topic;
    const others = Subscriber.all.get(topic) ?? new Set();
    Subscriber.all.set(topic, others.add(this));
  }

  static publish(topic, event) {
    for (const subscriber of Subscriber.all.get(topic) ?? []) subscriber.#push(event);
  }

  static get count() {
    return [...Subscriber.all.values()].reduce((count, { size }) => count + size, 0);
  }

  #push(event) {
    if (this.#waiting === null) {
      this.#events.push(event);
      return;
    }
    this.#waiting({ value: event, done: false });
    this.#waiting = null;
  }

  next() {
    if (this.#events.length > 0) {
      return Promise.resolve({ value: this.#events.shift(), done: false });
    }
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  return() {
    Subscriber.all.get(this.topic).delete(this);
    this.#waiting?.({ value: undefined, done: true });
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

const schema = buildSchema(typeDefs);
const field = schema.getSubscriptionType().getFields().campaignUpdated;
field.subscribe = (_, { id }) => new Subscriber(id);
field.resolve = (campaign) => campaign;

const server = createServer(async (request, response) => {
  if (request.method === "GET") {
    response.end(JSON.stringify({ count: Subscriber.count }));
    return;
  }
  const parts = [];
  for await (const part of request) parts.push(part);
  const { id } = JSON.parse(Buffer.concat(parts));
  Subscriber.publish(id, await read(id));
  response.end("{}");
});
useServer({ schema }, new WebSocketServer({ server, path: "/graphql" }));
server.listen(0, "127.0.0.1", () => announce(server.address().port));
