/** Colours and shapes, light and dark; the colour of each indicator, which is the same wherever it is shown. */

import { type CSSVariablesResolver, createTheme } from "@mantine/core";
import type { CampaignState, DeliveryIndicator, DeliveryStatus } from "../gql/graphql";

export const theme = createTheme({
  primaryColor: "indigo",
  primaryShade: { light: 7, dark: 7 },
  autoContrast: true,
  defaultRadius: "md",
  fontFamily:
    'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif',
  headings: { fontWeight: "650" },
  cursorType: "pointer",
  // Who asked the system for less motion gets none of ours.
  respectReducedMotion: true,
  components: {
    // A word that is cut off says nothing.
    Badge: { defaultProps: { tt: "none" }, styles: { root: { minWidth: "max-content" } } },
  },
});

/** Mantine's quiet colours are too quiet for small text: 3.3 to 1 on white, where 4.5 is asked for (WCAG 1.4.3). */
export const readable: CSSVariablesResolver = ({ colors }) => ({
  variables: {},
  light: {
    "--mantine-color-dimmed": colors.gray[7],
    "--mantine-color-placeholder": colors.gray[7],
    "--mantine-color-error": colors.red[8],
    // On light teal, as on the badges: 4.3 to 1 by itself.
    "--mantine-color-teal-light-color": "#066649",
  },
  dark: {
    "--mantine-color-dimmed": colors.dark[1],
    "--mantine-color-placeholder": colors.dark[1],
    "--mantine-color-error": colors.red[4],
  },
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
