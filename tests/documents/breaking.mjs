// breaking.mjs NEW OLD...: what clients of the old schemas can no longer do with the new one, a line of JSON.
import { readFileSync } from 'node:fs';
import { CriticalityLevel, diff } from '@graphql-inspector/core';
import { buildSchema } from 'graphql';

const [schema, ...olds] = process.argv.slice(2).map((file) => buildSchema(readFileSync(file, 'utf8')));
const found = new Map();
for (const old of olds) {
  for (const { criticality, path, message } of await diff(old, schema)) {
    if (criticality.level === CriticalityLevel.Breaking) found.set(`${path} ${message}`, { path, message });
  }
}
console.log(JSON.stringify([...found.values()]));
