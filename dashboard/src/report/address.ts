/** In the order of the tabs. */
export const PARTS = ["summary", "statistics", "reports"] as const;
export type Part = (typeof PARTS)[number];

/** Where a part of a campaign's report is. */
export function addressOf(campaign: string, part: Part): string {
  return `/campaigns/${encodeURIComponent(campaign)}/${part}`;
}
