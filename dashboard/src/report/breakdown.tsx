/** Where the messages stand, by country, operator, error code or provider. */

import { Group, Paper, SegmentedControl, Skeleton, Table, Text, Title } from "@mantine/core";
import { useId, useMediaQuery } from "@mantine/hooks";
import { memo, type ReactElement, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { type CombinedError, useSubscription } from "urql";
import { useLiveQuery } from "../api/api";
import {
  type BreakdownDimension,
  type BreakdownFragment,
  BreakdownLiveDocument,
  BreakdownOfDocument,
  type BreakdownOfQueryVariables,
} from "../gql/graphql";
import { useFormat } from "../i18n/format";
import { Failure } from "../parts/failure";
import { QueryLink } from "../parts/query-link";
import { RateBar } from "../parts/rate-bar";
import { useLoss } from "./live";

const DIMENSIONS: readonly BreakdownDimension[] = ["COUNTRY", "OPERATOR", "ERROR_CODE", "PROVIDER"];
type RowOf = BreakdownFragment["breakdown"][number];

export const Breakdown = memo(function Breakdown({ id }: { id: string }): ReactElement {
  const { t } = useTranslation("report");
  const heading = useId();
  const wide = useMediaQuery("(min-width: 48em)", undefined, { getInitialValueInEffect: false });
  const [by, setBy] = useState<BreakdownDimension>("COUNTRY");
  const variables = useMemo(() => ({ id, by }), [id, by]);
  const [{ data, error, operation }, again] = useLiveQuery({ query: BreakdownOfDocument, variables });
  const [lost, setLost] = useState<CombinedError>();
  // Until the answer is there the rows are still those of what was looked at before.
  const shownBy = operation?.variables.by ?? by;
  const rows = data?.campaign?.breakdown;
  const failed = error ?? lost;
  return (
    <Paper component="section" withBorder p={{ base: "md", sm: "lg" }} aria-labelledby={heading}>
      {rows && !lost && <Live key={by} variables={variables} onLost={setLost} />}
      <Group justify="space-between" mb="md" gap="sm">
        <Title order={2} size="h4" id={heading}>
          {t("breakdown.title")}
        </Title>
        <SegmentedControl
          aria-label={t("breakdown.name")}
          size={wide ? "sm" : "xs"}
          value={by}
          onChange={(next) => setBy(next as BreakdownDimension)}
          data={DIMENSIONS.map((value) => ({ value, label: t(`breakdown.by.${value}`) }))}
        />
      </Group>
      {failed && (
        <Failure
          error={failed}
          again={() => {
            setLost(undefined);
            again({ requestPolicy: "network-only" });
          }}
        />
      )}
      {rows && rows.length > 0 && <Rows rows={rows} by={shownBy} wide={wide} labelledBy={heading} />}
      {rows?.length === 0 && (
        <Text c="dimmed" py="lg" ta="center">
          {t("breakdown.none")}
        </Text>
      )}
      {!rows && !failed && <Skeleton height={240} aria-hidden />}
      <Group justify="end" mt="sm">
        <QueryLink document={BreakdownOfDocument} variables={variables} />
      </Group>
    </Paper>
  );
});

interface LiveProps {
  readonly variables: BreakdownOfQueryVariables;
  onLost(error: CombinedError): void;
}

function Live({ variables, onLost }: LiveProps): null {
  useLoss(useSubscription({ query: BreakdownLiveDocument, variables })[0].error, onLost);
  return null;
}

interface RowsProps {
  readonly rows: readonly RowOf[];
  readonly by: BreakdownDimension;
  readonly wide: boolean;
  readonly labelledBy: string;
}

function Rows({ rows, by, wide, labelledBy }: RowsProps): ReactElement {
  const { t } = useTranslation(["report", "common"]);
  return (
    <Table verticalSpacing={7} horizontalSpacing={wide ? "xs" : 6} aria-labelledby={labelledBy}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th w={wide ? "30%" : "40%"}>{t(`breakdown.by.${by}`)}</Table.Th>
          <Table.Th ta="right">{t("breakdown.messages")}</Table.Th>
          <Table.Th ta="right">{t("common:indicator.RECEIPT")}</Table.Th>
          {wide && <Table.Th w="40%">{t("breakdown.rates")}</Table.Th>}
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {rows.map((row) => (
          <Row key={row.key} row={row} by={by} wide={wide} />
        ))}
      </Table.Tbody>
    </Table>
  );
}

interface RowProps {
  readonly row: RowOf;
  readonly by: BreakdownDimension;
  readonly wide: boolean;
}

/** The cache hands the same row on as long as nothing in it has changed. */
const Row = memo(function Row({ row, by, wide }: RowProps): ReactElement {
  const { t } = useTranslation("report");
  const format = useFormat();
  const name =
    row.value === null
      ? row.key === "OTHER"
        ? t("breakdown.OTHER")
        : t(`breakdown.UNKNOWN.${by}`)
      : by === "COUNTRY"
        ? format.country(row.value)
        : row.label;
  const received = row.indicators.find(({ indicator }) => indicator === "RECEIPT");
  const bar = <RateBar rates={row.indicators} total={row.total} hints={false} size={wide ? 14 : 8} />;
  return (
    <Table.Tr>
      <Table.Th
        scope="row"
        fw={400}
        c={row.value === null ? "dimmed" : "inherit"}
        style={{ overflowWrap: "anywhere" }}
      >
        {name}
        {!wide && bar}
      </Table.Th>
      <Table.Td ta="right">{format.number(row.total)}</Table.Td>
      <Table.Td ta="right">{format.rate(received?.rate)}</Table.Td>
      {wide && <Table.Td>{bar}</Table.Td>}
    </Table.Tr>
  );
});
