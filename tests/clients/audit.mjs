// The audits of the GraphQL over HTTP specification, by graphql-http: `node audit.mjs URL KEY` prints them as JSON.
import { serverAudits } from "graphql-http";

const [url, key] = process.argv.slice(2);

const fetchFn = (address, options = {}) =>
  fetch(address, {
    ...options,
    headers: { ...options.headers, authorization: `Bearer ${key}` },
  });

const told = [];
for (const audit of serverAudits({ url, fetchFn })) {
  const result = await audit.fn();
  told.push({ id: audit.id, name: audit.name, status: result.status, reason: result.reason });
}
process.stdout.write(JSON.stringify(told));
