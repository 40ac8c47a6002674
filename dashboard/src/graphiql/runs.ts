/**
 * What was run in this browser: the operations alone, as nobody's.
 *
 * GraphiQL's own history keeps variables and headers, and puts them back when an entry is chosen. A number that was
 * searched for and a key must not stay behind in a browser, so here neither is kept, nor any value in the text.
 */

import { type DocumentNode, type GraphQLSchema, Kind, print, validate, visit } from "graphql";
import { attempt, HISTORY } from "./storage";

export interface Run {
  readonly text: string;
  /** RFC 3339. */
  readonly at: string;
}

const MOST = 50;
const watchers = new Set<() => void>();

/** An operation without what somebody wrote into it; null where there could be something left. */
export function withoutValues(document: DocumentNode, schema: GraphQLSchema): string | null {
  // What does not fit the schema may hold a name without quotes.
  if (validate(schema, document).length > 0) return null;
  const bare = visit(document, { [Kind.STRING]: (node) => ({ ...node, block: false, value: "…" }) });
  // A number without quotes, or in somebody's own name for a field: longer than any page or interval.
  return print(bare).replace(/\d{7,}/g, "0");
}

/** Puts it in front of what was run before. */
export function remember(document: DocumentNode, schema: GraphQLSchema): void {
  const text = withoutValues(document, schema);
  if (text === null) return;
  const others = read(keptRuns()).filter((run) => run.text !== text);
  const runs = [{ text, at: new Date().toISOString() }, ...others].slice(0, MOST);
  attempt(() => localStorage.setItem(HISTORY, JSON.stringify(runs)));
  tell();
}

/** Forgets all of it. */
export function forgetRuns(): void {
  attempt(() => localStorage.removeItem(HISTORY));
  tell();
}

/** As it is kept, by its newest first. */
export function keptRuns(): string {
  return attempt(() => localStorage.getItem(HISTORY)) ?? "[]";
}

/** The runs in what is kept. */
export function read(kept: string): readonly Run[] {
  return attempt(() => JSON.parse(kept) as Run[]) ?? [];
}

/** Tells of changes, those in other tabs of the browser too. */
export function watchRuns(changed: () => void): () => void {
  watchers.add(changed);
  addEventListener("storage", changed);
  return () => {
    watchers.delete(changed);
    removeEventListener("storage", changed);
  };
}

function tell(): void {
  for (const watcher of watchers) watcher();
}
