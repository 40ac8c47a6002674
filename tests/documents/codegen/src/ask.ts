// A client in twenty lines: the answer's type follows from the document's.
import type { TypedDocumentString } from './gql/graphql.js';

export type Server = { url: string; key: string };

export async function ask<Result, Variables>(
  { url, key }: Server,
  document: TypedDocumentString<Result, Variables>,
  ...[variables]: Variables extends Record<string, never> ? [] : [Variables]
): Promise<Result> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ query: document.toString(), variables });
  const answer = await (await fetch(url, { method: 'POST', headers, body })).json();
  if (answer.errors) throw new Error(JSON.stringify(answer.errors));
  return answer.data;
}
