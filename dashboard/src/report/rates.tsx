/** The five rates, always in sight: a bar, and a tile for each. */

import { Group, Paper, Stack, Text } from "@mantine/core";
import { memo, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { indicatorFill } from "../app/theme";
import type { DeliveryIndicator, FiguresFragment } from "../gql/graphql";
import { useFormat } from "../i18n/format";
import { RateBar } from "../parts/rate-bar";
import css from "./report.module.css";

export const Rates = memo(function Rates({ statistics }: Pick<FiguresFragment, "statistics">): ReactElement {
  const { t } = useTranslation("report");
  const format = useFormat();
  return (
    <Stack component="section" aria-label={t("rates")} gap="sm">
      {/* Without hints: the tiles say it, and a hint costs more than all else that an event renders here. */}
      <RateBar rates={statistics.indicators} total={statistics.total} size={18} hints={false} />
      <ul className={css["tiles"]}>
        {statistics.indicators.map(({ indicator, count, rate }) => (
          <Tile key={indicator} indicator={indicator} count={count} rate={rate} />
        ))}
      </ul>
      <Text size="xs" c="dimmed" ta="right">
        {t("asOf", { clock: format.clock(statistics.asOf) })}
      </Text>
    </Stack>
  );
});

interface TileProps {
  readonly indicator: DeliveryIndicator;
  readonly count: number;
  readonly rate: number | null;
}

const Tile = memo(function Tile({ indicator, count, rate }: TileProps): ReactElement {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Paper
      component="li"
      withBorder
      className={css["tile"]}
      style={{ borderTopColor: indicatorFill(indicator) }}
      data-indicator={indicator}
    >
      <Text size="sm" c="dimmed" lh={1.25}>
        {t(`indicator.${indicator}`)}
      </Text>
      <Group justify="space-between" align="baseline" gap={4} mt="auto">
        <Text fz={{ base: 24, sm: 26 }} fw={700} lh={1.2}>
          {format.rate(rate)}
        </Text>
        <Text size="sm" c="dimmed">
          {format.number(count)}
        </Text>
      </Group>
    </Paper>
  );
});
