import { Progress, Tooltip } from "@mantine/core";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { INDICATORS, indicatorFill } from "../app/theme";
import type { DeliveryIndicator } from "../gql/graphql";
import { useFormat } from "../i18n/format";

interface Props {
  readonly rates: readonly {
    readonly indicator: DeliveryIndicator;
    readonly count: number;
    readonly rate?: number | null;
  }[];
  readonly total: number;
  readonly size?: number;
  /** Whether a part says what it is when it is pointed at. Not in long lists: each hint costs more than its bar. */
  readonly hints?: boolean;
}

/**
 * The five rates as one bar; in words for who cannot see it. It moves at once: to glide there, four times a second,
 * would lay the page out anew sixty times a second.
 */
export function RateBar({ rates, total, size = 14, hints = true }: Props): ReactElement {
  const { t } = useTranslation();
  const format = useFormat();
  const byIndicator = new Map(rates.map((one) => [one.indicator, one]));
  const shown = INDICATORS.flatMap((indicator) => {
    const found = byIndicator.get(indicator);
    return found && found.count > 0 ? [found] : [];
  });
  const words = shown
    .map((one) => `${t(`indicatorShort.${one.indicator}`)} ${format.rate(one.rate)}`)
    .join(", ");
  const label =
    total === 0
      ? t("rates.noRecipients")
      : t("rates.ofRecipients", { rates: words, total: format.number(total) });
  return (
    <Progress.Root size={size} radius="sm" transitionDuration={0} role="img" aria-label={label}>
      {shown.map(({ indicator, count, rate }) => {
        const section = (
          <Progress.Section
            key={indicator}
            value={(100 * count) / Math.max(total, 1)}
            color={indicatorFill(indicator)}
            withAria={false}
          />
        );
        if (!hints) return section;
        const hint = `${t(`indicatorShort.${indicator}`)}: ${format.number(count)} (${format.rate(rate)})`;
        return (
          <Tooltip key={indicator} label={hint}>
            {section}
          </Tooltip>
        );
      })}
    </Progress.Root>
  );
}
