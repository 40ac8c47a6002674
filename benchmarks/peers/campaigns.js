// What both peers are given: the part of our schema that the benchmark selects from, and a campaign read from MongoDB.

import { MongoClient } from "mongodb";

export const statisticsTypes = `
  type DeliveryStatistics {
    revision: BigInt!
    asOf: DateTime!
    total: Int!
    indicators: [IndicatorRate!]!
    statuses: [StatusCount!]!
  }
  type IndicatorRate { indicator: DeliveryIndicator! count: Int! rate: Float statuses: [StatusCount!]! }
  type StatusCount { status: DeliveryStatus! count: Int! rate: Float }
  scalar BigInt
  scalar DateTime
  enum DeliveryStatus {
    RECEIVED SENT DELIVERED_OPERATOR WAITING OPERATOR_TEMPORARY_ERROR OTHER_ERROR ABSENCE_TEMPORARY_ERROR
    ABSENCE_PERMANENT_ERROR ROUTING_ERROR BLACKLISTED
  }
  enum DeliveryIndicator { RECEIPT PENDING TEMPORARY_ERROR PERMANENT_ERROR UNSUBSCRIBE }
`;

export const typeDefs = `
  type Query { version: String }
  type Subscription { campaignUpdated(id: ID!, minIntervalMs: Int): Campaign! }
  type Campaign { id: ID! name: String! statistics: DeliveryStatistics! }
  ${statisticsTypes}
`;

const STATUSES = [
  "RECEIVED",
  "SENT",
  "DELIVERED_OPERATOR",
  "WAITING",
  "OPERATOR_TEMPORARY_ERROR",
  "OTHER_ERROR",
  "ABSENCE_TEMPORARY_ERROR",
  "ABSENCE_PERMANENT_ERROR",
  "ROUTING_ERROR",
  "BLACKLISTED",
];

const INDICATORS = Object.entries({
  RECEIPT: ["RECEIVED", "SENT", "DELIVERED_OPERATOR"],
  PENDING: ["WAITING"],
  TEMPORARY_ERROR: ["OPERATOR_TEMPORARY_ERROR", "OTHER_ERROR", "ABSENCE_TEMPORARY_ERROR"],
  PERMANENT_ERROR: ["ABSENCE_PERMANENT_ERROR", "ROUTING_ERROR"],
  UNSUBSCRIBE: ["BLACKLISTED"],
});

/** A function that reads a campaign by its global id: one document, and the stripes of its counters, both at once. */
export async function openCampaigns(url, name) {
  const client = await new MongoClient(url).connect();
  const database = client.db(name);
  const campaigns = database.collection("campaigns");
  const counters = database.collection("counters");
  const options = { projection: { version: 1, at: 1, counts: 1 } };
  return async (id) => {
    const campaign = Buffer.from(id, "base64url").toString().split(":")[1];
    const [row, stripes] = await Promise.all([
      campaigns.findOne({ _id: campaign }),
      counters.find({ campaign }, options).toArray(),
    ]);
    return { id, name: row.name, statistics: sum(stripes) };
  };
}

/** Say where it serves, as our own server does. */
export function announce(port) {
  console.log(`Serving at http://127.0.0.1:${port}`);
}

/** The figures that the stripes of a campaign's counters add up to. */
export function sum(stripes) {
  const counts = Object.fromEntries(STATUSES.map((status) => [status, 0]));
  let revision = 0;
  let asOf = new Date(0);
  for (const stripe of stripes) {
    revision += stripe.version;
    if (stripe.at > asOf) asOf = stripe.at;
    for (const status in stripe.counts) counts[status] += stripe.counts[status];
  }
  const add = (statuses) => statuses.reduce((count, status) => count + counts[status], 0);
  const total = add(STATUSES);
  const rate = (count) => (total ? count / total : null);
  const shown = (status) => ({ status, count: counts[status], rate: rate(counts[status]) });
  const indicators = INDICATORS.map(([indicator, statuses]) => {
    const count = add(statuses);
    return { indicator, count, rate: rate(count), statuses: statuses.map(shown) };
  });
  return { revision, asOf, total, indicators, statuses: STATUSES.map(shown) };
}
