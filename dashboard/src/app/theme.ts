/** Colours and shapes, light and dark; the colour of each indicator, which is the same wherever it is shown. */

import { createTheme } from "@mantine/core";
import type { CampaignState, DeliveryIndicator, DeliveryStatus } from "../gql/graphql";

export const theme = createTheme({
  primaryColor: "indigo",
  primaryShade: { light: 7, dark: 5 },
  autoContrast: true,
  defaultRadius: "md",
  fontFamily:
    'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif',
  headings: { fontWeight: "650" },
  cursorType: "pointer",
});

/** In the order of the report. */
export const INDICATORS: readonly DeliveryIndicator[] = [
  "RECEIPT",
  "PENDING",
  "TEMPORARY_ERROR",
  "PERMANENT_ERROR",
  "UNSUBSCRIBE",
];

/** Names of Mantine's palette. */
export const INDICATOR_COLOR: Readonly<Record<DeliveryIndicator, string>> = {
  RECEIPT: "teal",
  PENDING: "blue",
  TEMPORARY_ERROR: "yellow",
  PERMANENT_ERROR: "red",
  UNSUBSCRIBE: "grape",
};

/** domain.md, A1. */
export const INDICATOR_OF: Readonly<Record<DeliveryStatus, DeliveryIndicator>> = {
  RECEIVED: "RECEIPT",
  SENT: "RECEIPT",
  DELIVERED_OPERATOR: "RECEIPT",
  WAITING: "PENDING",
  OPERATOR_TEMPORARY_ERROR: "TEMPORARY_ERROR",
  OTHER_ERROR: "TEMPORARY_ERROR",
  ABSENCE_TEMPORARY_ERROR: "TEMPORARY_ERROR",
  ABSENCE_PERMANENT_ERROR: "PERMANENT_ERROR",
  ROUTING_ERROR: "PERMANENT_ERROR",
  BLACKLISTED: "UNSUBSCRIBE",
};

export const STATE_COLOR: Readonly<Record<CampaignState, string>> = {
  SCHEDULED: "gray",
  SENDING: "indigo",
  COMPLETED: "teal",
};

/** The colour of an indicator as CSS, legible as an area on light and dark. */
export function indicatorFill(indicator: DeliveryIndicator): string {
  return `var(--mantine-color-${INDICATOR_COLOR[indicator]}-filled)`;
}
