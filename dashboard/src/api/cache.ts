/** How answers are kept: each campaign, contact and message once, by its id; everything else where it was found. */

import { type Cache, cacheExchange, type KeyingConfig } from "@urql/exchange-graphcache";

const inItsParent = () => null;

const keys: KeyingConfig = Object.fromEntries(
  [
    "Alert",
    "BlacklistConnection",
    "BlacklistEdge",
    "BreakdownRow",
    "CampaignConnection",
    "CampaignEdge",
    "CampaignHygiene",
    "ContactAttribute",
    "ContactConnection",
    "ContactEdge",
    "ContactRemoval",
    "DeliveryStatistics",
    "DeliveryTime",
    "IndicatorRate",
    "MessageConnection",
    "MessageEdge",
    "MessageUpdates",
    "StatusChange",
    "StatusCount",
    "TimelinePoint",
    "UserError",
    "Viewer",
  ].map((type) => [type, inItsParent]),
);

export function createCache() {
  return cacheExchange({
    keys,
    resolvers: {
      Query: {
        campaign(_, { id }, cache) {
          const campaign = { __typename: "Campaign", id: id as string };
          // The server was asked, and has none of this id; nor has any list brought it since.
          const none = cache.resolve("Query", "campaign", { id: campaign.id }) === null;
          return none && cache.resolve(campaign, "name") === undefined ? null : campaign;
        },
      },
    },
    updates: {
      Mutation: {
        createContact: (_result, _args, cache) => forget(cache, "contacts"),
        deleteContact: (_result, _args, cache) => forget(cache, "contacts"),
        updateContact: (_result, _args, cache) => forget(cache, "contacts"),
        addToBlacklist: (_result, _args, cache) => forget(cache, "blacklist"),
        removeFromBlacklist: (_result, _args, cache) => forget(cache, "blacklist"),
        erasePerson: (_result, _args, cache) => {
          forget(cache, "contacts");
          forget(cache, "blacklist");
        },
      },
    },
  });
}

/** Lists that a change may have moved are asked for again. */
function forget(cache: Cache, list: string): void {
  for (const { fieldName, arguments: given } of cache.inspectFields("Query")) {
    if (fieldName === list) cache.invalidate("Query", fieldName, given);
  }
}
