/** The five rates as a ring, and the ten statuses that they add up. */

import { Group, Paper, RingProgress, Stack, Table, Text, Title } from "@mantine/core";
import { useId } from "@mantine/hooks";
import { memo, type ReactElement, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useQuery } from "urql";
import { indicatorFill } from "../app/theme";
import { type DeliveryIndicator, type DeliveryStatus, type FiguresFragment, ReportDocument } from "../gql/graphql";
import { useFormat } from "../i18n/format";
import { Swatch } from "./swatch";

type Indicators = FiguresFragment["statistics"]["indicators"];

export const Diagram = memo(function Diagram({ id }: { id: string }): ReactElement {
  const { t } = useTranslation("report");
  // The query of the page; here, so that what stands around it is not rendered with every event.
  const [{ data }] = useQuery({ query: ReportDocument, variables: useMemo(() => ({ id }), [id]) });
  const indicators = data?.campaign?.statistics.indicators ?? [];
  const heading = useId();
  return (
    <Paper component="section" withBorder p={{ base: "md", sm: "lg" }} aria-labelledby={heading}>
      <Title order={2} size="h4" id={heading} mb="md">
        {t("statistics.diagram")}
      </Title>
      <Group align="start" gap="lg" justify="center">
        <Ring indicators={indicators} />
        <Statuses indicators={indicators} labelledBy={heading} />
      </Group>
    </Paper>
  );
});

function Ring({ indicators }: { indicators: Indicators }): ReactElement {
  const { t } = useTranslation();
  const format = useFormat();
  const received = indicators.find(({ indicator }) => indicator === "RECEIPT");
  const words = indicators.map(({ indicator, rate }) => `${t(`indicator.${indicator}`)}: ${format.rate(rate)}`);
  return (
    <RingProgress
      role="img"
      aria-label={words.join(", ")}
      size={210}
      thickness={26}
      sections={indicators
        .filter(({ count }) => count > 0)
        .map(({ indicator, rate }) => ({ value: 100 * (rate ?? 0), color: indicatorFill(indicator) }))}
      label={
        <Stack gap={0} align="center" aria-hidden>
          <Text fz={24} fw={700} lh={1.1}>
            {format.rate(received?.rate)}
          </Text>
          <Text size="sm" c="dimmed" ta="center" maw={120} lh={1.25}>
            {t("indicator.RECEIPT")}
          </Text>
        </Stack>
      }
    />
  );
}

function Statuses({ indicators, labelledBy }: { indicators: Indicators; labelledBy: string }): ReactElement {
  const { t } = useTranslation("report");
  return (
    <Table flex="1 1 300px" w="auto" verticalSpacing={8} horizontalSpacing={8} aria-labelledby={labelledBy} withRowBorders={false}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{t("statistics.columns.status")}</Table.Th>
          <Table.Th ta="right">{t("statistics.columns.count")}</Table.Th>
          <Table.Th ta="right" w={1} style={{ whiteSpace: "nowrap" }}>
            {t("statistics.columns.rate")}
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      {indicators.map(({ indicator, count, rate, statuses }) => (
        <Table.Tbody key={indicator} style={{ borderTop: "1px solid var(--mantine-color-default-border)" }}>
          <Row indicator={indicator} count={count} rate={rate} />
          {statuses.map(({ status, count: ofStatus, rate: share }) => (
            <Row key={status} status={status} count={ofStatus} rate={share} />
          ))}
        </Table.Tbody>
      ))}
    </Table>
  );
}

interface RowProps {
  readonly indicator?: DeliveryIndicator;
  readonly status?: DeliveryStatus;
  readonly count: number;
  readonly rate: number | null;
}

const Row = memo(function Row({ indicator, status, count, rate }: RowProps): ReactElement {
  const { t } = useTranslation();
  const format = useFormat();
  const weight = indicator ? 650 : 400;
  return (
    <Table.Tr>
      <Table.Th scope={indicator ? "rowgroup" : "row"} fw={weight} pl={status ? 24 : 6}>
        {indicator && (
          <>
            <Swatch indicator={indicator} /> {t(`indicator.${indicator}`)}
          </>
        )}
        {status && t(`status.${status}`)}
      </Table.Th>
      <Table.Td ta="right" fw={weight}>
        {format.number(count)}
      </Table.Td>
      <Table.Td ta="right" fw={weight} miw={68}>
        {format.rate(rate)}
      </Table.Td>
    </Table.Tr>
  );
});
