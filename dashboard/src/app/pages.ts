/**
 * The pages, each of which comes when it is looked at. What the address will show begins to come at once, with its words:
 * waiting for each in turn is what makes a page slow.
 */

import type { Namespace } from "i18next";

export const load = {
  signIn: () => import("./sign-in"),
  history: () => import("../history/history"),
  report: () => import("../report/report"),
  summary: () => import("../report/summary"),
  statistics: () => import("../report/statistics"),
  chart: () => import("../report/chart"),
  messages: () => import("../messages/messages"),
  contacts: () => import("../contacts/contacts"),
  blacklist: () => import("../blacklist/blacklist"),
  imports: () => import("../imports/import"),
};

interface Ahead {
  readonly at: RegExp;
  readonly pages: readonly (keyof typeof load)[];
  readonly words: readonly Extract<Namespace, string>[];
}

const AHEAD: readonly Ahead[] = [
  { at: /^#\/campaigns\/[^/]+\/reports/, pages: ["report", "messages"], words: ["report", "messages"] },
  { at: /^#\/campaigns\/[^/]+\/summary/, pages: ["report", "summary"], words: ["report"] },
  { at: /^#\/campaigns\//, pages: ["report", "statistics", "chart"], words: ["report"] },
  { at: /^#\/contacts/, pages: ["contacts"], words: ["contacts"] },
  { at: /^#\/blacklist/, pages: ["blacklist"], words: ["blacklist"] },
  { at: /^#\/import/, pages: ["imports"], words: ["import"] },
  { at: /^/, pages: ["history"], words: ["history"] },
];

/** Begins to load what this address shows; the parts of the words that it needs. */
export function ahead(hash: string): readonly Extract<Namespace, string>[] {
  const { pages, words } = AHEAD.find(({ at }) => at.test(hash))!;
  // Whoever shows it says what went wrong.
  for (const page of pages) load[page]().catch(() => undefined);
  return words;
}
