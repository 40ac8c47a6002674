// The peer "Mercurius" of queries: with its JIT switched on, and the reads of a report at one point in time.
//
// node report.js MONGODB_URL DATABASE

import { createHmac } from "node:crypto";
import Fastify from "fastify";
import mercurius from "mercurius";
import { MongoClient } from "mongodb";
import { announce, statisticsTypes, sum } from "./campaigns.js";

const schema = `
  type Query { campaign(id: ID!): Campaign }
  type Campaign {
    id: ID!
    name: String!
    text: String!
    sender: String!
    type: SmsType!
    state: CampaignState!
    createdAt: DateTime!
    sentAt: DateTime
    recipientCount: Int!
    cost: Float!
    statistics: DeliveryStatistics!
    messages(first: Int!, after: String): MessageConnection!
  }
  type MessageConnection { nodes: [Message!]! pageInfo: PageInfo! totalCount: Int }
  type PageInfo { hasNextPage: Boolean! endCursor: String }
  type Message {
    id: ID!
    recipient: PhoneNumber!
    contactName: String
    status: DeliveryStatus!
    statusAt: DateTime!
  }
  enum SmsType { MARKETING TRANSACTIONAL OTP }
  enum CampaignState { SCHEDULED SENDING COMPLETED }
  scalar PhoneNumber
  ${statisticsTypes}
`;

const client = await new MongoClient(process.argv[2]).connect();
const database = client.db(process.argv[3]);
const campaigns = database.collection("campaigns");
const counters = database.collection("counters");
const messages = database.collection("messages");
const workspaces = database.collection("workspaces");
const secret = (await database.collection("installation").findOne({})).secret.buffer;

/** What one request reads: each thing once, and all of it at one point in time, so one after the other. */
class Reading {
  #session = client.startSession({ snapshot: true });
  #last = Promise.resolve();
  #figures = null;

  /** Do this read when those before are done; it is given the options of all. */
  read(one) {
    this.#last = this.#last.then(() => one({ session: this.#session }));
    return this.#last;
  }

  figures(campaign) {
    this.#figures ??= this.read((options) => {
      const projection = { version: 1, at: 1, counts: 1 };
      return counters.find({ campaign }, { ...options, projection }).toArray();
    }).then(sum);
    return this.#figures;
  }

  end() {
    return this.#session.endSession();
  }
}

const resolvers = {
  Query: {
    async campaign(_, { id }, { reading }) {
      const [type, key] = Buffer.from(id, "base64url").toString().split(":");
      if (type !== "Campaign") return null;
      return reading.read((options) => campaigns.findOne({ _id: key }, options));
    },
  },
  Campaign: {
    id: ({ _id }) => globalId("Campaign", _id),
    recipientCount: async ({ _id }, _, { reading }) => (await reading.figures(_id)).total,
    statistics: ({ _id }, _, { reading }) => reading.figures(_id),
    async cost({ _id, text, workspace }, _, { reading }) {
      const { total, statuses } = await reading.figures(_id);
      const found = await reading.read((options) => workspaces.findOne({ _id: workspace }, options));
      const blacklisted = statuses.find(({ status }) => status === "BLACKLISTED").count;
      return parts(text) * (total - blacklisted) * found.creditsPerPart;
    },
    async messages({ _id, workspace }, { first, after }, { reading }) {
      const binding = ["messages", workspace, _id, "all", "position", "False"];
      const query = { _id: { $gt: after ? opened(binding, after) : `${_id}-`, $lt: `${_id}.` } };
      const projection = { recipient: 1, name: 1, status: 1, at: 1 };
      const rows = await reading.read((options) =>
        messages
          .find(query, { ...options, projection, sort: { _id: 1 }, limit: first + 1 })
          .toArray(),
      );
      const hasNextPage = rows.length > first;
      if (hasNextPage) rows.pop();
      const endCursor = rows.length ? sealed(binding, rows.at(-1)._id) : null;
      return { nodes: rows, pageInfo: { hasNextPage, endCursor }, campaign: _id };
    },
  },
  MessageConnection: {
    totalCount: async ({ campaign }, _, { reading }) => (await reading.figures(campaign)).total,
  },
  Message: {
    id: ({ _id }) => globalId("Message", _id),
    contactName: ({ name }) => name,
    statusAt: ({ at }) => at,
  },
};

const app = Fastify();
app.register(mercurius, { schema, resolvers, jit: 1, context: () => ({ reading: new Reading() }) });
await app.ready();
app.graphql.addHook("onResolution", (_, { reading }) => reading.end());
await app.listen({ host: "127.0.0.1", port: 0 });
announce(app.server.address().port);

function globalId(type, id) {
  return Buffer.from(`${type}:${id}`).toString("base64url");
}

/** SMS of 160 characters, or 153 each; the texts of the benchmarks hold no others than those of GSM 03.38. */
function parts(text) {
  return text.length <= 160 ? 1 : Math.ceil(text.length / 153);
}

// Cursors as our own server makes them, so that each can be asked for the pages of the other.

function sealed(binding, place) {
  const body = Buffer.from(JSON.stringify(place));
  return Buffer.concat([signature(binding, body), body]).toString("base64url");
}

function opened(binding, cursor) {
  const raw = Buffer.from(cursor, "base64url");
  const body = raw.subarray(12);
  if (!signature(binding, body).equals(raw.subarray(0, 12))) throw new Error("a bad cursor");
  return JSON.parse(body);
}

function signature(binding, body) {
  const named = Buffer.from(`[${binding.map((part) => JSON.stringify(part)).join(", ")}]`);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(named.length);
  return createHmac("sha256", secret).update(length).update(named).update(body).digest().subarray(0, 12);
}
