/** When the receipts came: a chart, the same in a sentence, and as a table. */

import { Button, Group, Paper, Skeleton, Table, Text, Title } from "@mantine/core";
import { useDisclosure, useId } from "@mantine/hooks";
import { lazy, memo, type ReactElement, Suspense, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { StatisticsDocument, type TimelineInterval } from "../gql/graphql";
import { type Format, useFormat } from "../i18n/format";
import { QueryLink } from "../parts/query-link";
import css from "./report.module.css";
import { Swatch } from "./swatch";
import { type Columns, columnsOf, type Points, REPORTED } from "./timeline";

const Chart = lazy(() => import("./chart"));
const DAY = 86_400;

interface Props {
  readonly id: string;
  readonly points: Points;
  readonly interval: TimelineInterval;
}

export const OverTime = memo(function OverTime({ id, points, interval }: Props): ReactElement {
  const { t } = useTranslation("report");
  const format = useFormat();
  const heading = useId();
  const table = useId();
  const [opened, { toggle }] = useDisclosure();
  const [pointed, setPointed] = useState<number | null>(null);
  const columns = useMemo(() => columnsOf(points, interval), [points, interval]);
  const variables = useMemo(() => ({ id, interval }), [id, interval]);
  const words = columns ? inWords(columns, format) : undefined;
  return (
    <Paper component="section" withBorder p={{ base: "md", sm: "lg" }} aria-labelledby={heading}>
      <Title order={2} size="h4" id={heading}>
        {t("overTime.title")}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t(`overTime.by.${interval}`)}
      </Text>
      {columns && words ? (
        <>
          <Legend columns={columns} pointed={pointed} />
          <Suspense fallback={<Skeleton className={css["chart"]} aria-hidden />}>
            <Chart columns={columns} label={t("overTime.words", words)} onPoint={setPointed} />
          </Suspense>
          <Group justify="space-between" mt="sm" gap="xs">
            <Text size="sm" flex="1 1 260px">
              {t("overTime.words", words)}
            </Text>
            <QueryLink document={StatisticsDocument} variables={variables} />
            <Button
              variant="default"
              size="xs"
              aria-expanded={opened}
              aria-controls={table}
              onClick={toggle}
            >
              {t(opened ? "overTime.hideTable" : "overTime.showTable")}
            </Button>
          </Group>
          <div id={table} hidden={!opened}>
            {opened && <Rows columns={columns} labelledBy={heading} />}
          </div>
        </>
      ) : (
        <Text c="dimmed" py="xl" ta="center">
          {t("overTime.none")}
        </Text>
      )}
    </Paper>
  );
});

/** What the colours mean, and how many there were: in all, or where it is pointed at. */
function Legend({ columns, pointed }: { columns: Columns; pointed: number | null }): ReactElement {
  const { t } = useTranslation("report");
  const format = useFormat();
  const at = pointed === null ? undefined : columns.at[pointed];
  return (
    <Group gap="md" mb="xs" aria-hidden>
      <Text size="sm" fw={650} miw={120}>
        {at === undefined ? t("overTime.all") : whenOf(at, columns.step, format)}
      </Text>
      {REPORTED.map((indicator, place) => (
        <Text key={indicator} size="sm">
          <Swatch indicator={indicator} /> {t(`overTime.says.${indicator}`)}{" "}
          <Text span fw={650} size="sm">
            {format.number(
              pointed === null
                ? columns.counts[place]!.reduce((sum, count) => sum + count, 0)
                : (columns.counts[place]![pointed] ?? 0),
            )}
          </Text>
        </Text>
      ))}
    </Group>
  );
}

function Rows({ columns, labelledBy }: { columns: Columns; labelledBy: string }): ReactElement {
  const { t } = useTranslation("report");
  const format = useFormat();
  return (
    // biome-ignore lint: what scrolls has to be reached by the keyboard
    <div className={css["scroll"]} tabIndex={0} role="region" aria-labelledby={labelledBy}>
      <Table verticalSpacing={4} aria-labelledby={labelledBy} stickyHeader mt="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t("overTime.when")}</Table.Th>
            {REPORTED.map((indicator) => (
              <Table.Th key={indicator} ta="right">
                {t(`overTime.says.${indicator}`)}
              </Table.Th>
            ))}
            <Table.Th ta="right">{t("overTime.all")}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {Array.from(columns.at, (_, column) => column)
            .filter((column) => columns.all[column]! > 0)
            .map((column) => (
              <Line
                key={columns.at[column]}
                when={whenOf(columns.at[column]!, columns.step, format)}
                counts={[...columns.counts.map((of) => of[column]!), columns.all[column]!].join()}
              />
            ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

/** @param counts with commas between: one that is compared by what it says */
const Line = memo(function Line({ when, counts }: { when: string; counts: string }): ReactElement {
  const format = useFormat();
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={400}>
        {when}
      </Table.Th>
      {counts.split(",").map((count, place) => (
        <Table.Td key={place} ta="right">
          {format.number(Number(count))}
        </Table.Td>
      ))}
    </Table.Tr>
  );
});

function inWords({ at, all, step, total }: Columns, format: Format) {
  const most = all.reduce((best, count, column) => (count > all[best]! ? column : best), 0);
  return {
    count: total,
    number: format.number(total),
    from: whenOf(at[0]!, step, format),
    to: whenOf(at[at.length - 1]!, step, format),
    at: whenOf(at[most]!, step, format),
    most: format.number(all[most]!),
  };
}

function whenOf(seconds: number, step: number, format: Format): string {
  const at = new Date(seconds * 1000);
  return step === DAY ? format.day(at, true) : format.time(at);
}
