// The peer "Mercurius": with its JIT switched on, and its own pubsub in the process.
//
// node mercurius.js MONGODB_URL DATABASE

import Fastify from "fastify";
import mercurius from "mercurius";
import { announce, openCampaigns, typeDefs } from "./campaigns.js";

const read = await openCampaigns(process.argv[2], process.argv[3]);
let count = 0;

const app = Fastify();
app.register(mercurius, {
  schema: typeDefs,
  resolvers: {
    Subscription: {
      campaignUpdated: {
        async subscribe(_, { id }, { pubsub }) {
          const events = await pubsub.subscribe(id);
          count += 1;
          return events;
        },
      },
    },
  },
  jit: 1,
  subscription: true,
});
app.get("/subscribers", async () => ({ count }));
app.post("/publish", async (request) => {
  const { id } = request.body;
  app.graphql.pubsub.publish({ topic: id, payload: { campaignUpdated: await read(id) } });
  return {};
});
await app.listen({ host: "127.0.0.1", port: 0 });
announce(app.server.address().port);
