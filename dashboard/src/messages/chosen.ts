/** Which messages are looked at, and in which order. */

import { INDICATOR_OF } from "../app/theme";
import type { DeliveryIndicator, DeliveryStatus, MessageFilter, MessageOrder } from "../gql/graphql";

/** A tab: all, or one of the indicators. */
export type Tab = DeliveryIndicator | "ALL";
export type Order = "position" | "latest";

export interface Chosen {
  readonly tab: Tab;
  /** One of the tab's; null: all of them. */
  readonly status: DeliveryStatus | null;
  readonly search: string;
  readonly order: Order;
}

export const EVERYTHING: Chosen = { tab: "ALL", status: null, search: "", order: "position" };

/** The server offers one condition at a time, and the order of time for all or one status (MessageOrder). */
export function isInTime({ tab, status, search, order }: Chosen): boolean {
  return order === "latest" && search === "" && (tab === "ALL" || status !== null);
}

export function filterOf({ tab, status, search }: Chosen): MessageFilter | undefined {
  if (search !== "") return { search };
  if (status !== null) return { statuses: [status] };
  return tab === "ALL" ? undefined : { indicators: [tab] };
}

export function orderOf(chosen: Chosen): MessageOrder | undefined {
  return isInTime(chosen) ? { field: "STATUS_AT", direction: "DESC" } : undefined;
}

/** Whether the list has all messages in the order of their positions: then it can be looked at anywhere at once. */
export function isWhole(chosen: Chosen): boolean {
  return filterOf(chosen) === undefined && !isInTime(chosen);
}

/** Whether a message in this status belongs into the list; a search is not looked at, since it finds by other things. */
export function fits({ tab, status, search }: Chosen, now: DeliveryStatus): boolean {
  if (search !== "") return true;
  if (status !== null) return now === status;
  return tab === "ALL" || INDICATOR_OF[now] === tab;
}

/** The same conditions, as the parameters of an export. */
export function parametersOf(chosen: Chosen): URLSearchParams {
  const { statuses, indicators, search } = filterOf(chosen) ?? {};
  const parameters = new URLSearchParams();
  if (statuses) parameters.set("statuses", statuses.join(","));
  if (indicators) parameters.set("indicators", indicators.join(","));
  if (search) parameters.set("search", search);
  return parameters;
}
