/** All that is known of one message, and its history, moving. */

import { Badge, Drawer, Group, Stack, Table, Text, Timeline, Title } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { type ReactElement, useEffect } from "react";
import { useTranslation } from "react-i18next";
import { useQuery } from "urql";
import { INDICATOR_COLOR, INDICATOR_OF, indicatorFill } from "../app/theme";
import { MessageHistoryDocument } from "../gql/graphql";
import { useFormat } from "../i18n/format";
import { Failure } from "../parts/failure";
import { QueryLink } from "../parts/query-link";
import { Dot } from "./filters";
import type { Row } from "./window";

interface Props {
  readonly row: Row | null;
  /** Grows when the message changed. */
  readonly changes: number;
  close(): void;
}

export function MessageDrawer({ row, changes, close }: Props): ReactElement {
  const { t } = useTranslation(["messages", "common"]);
  const phone = useMediaQuery("(max-width: 48em)");
  return (
    <Drawer
      opened={row !== null}
      onClose={close}
      position={phone ? "bottom" : "right"}
      size={phone ? "85%" : "md"}
      title={
        <Text component="span" fw={700}>
          {t("message")}
        </Text>
      }
      closeButtonProps={{ "aria-label": t("common:close") }}
    >
      {row && <Content key={row.id} row={row} changes={changes} />}
    </Drawer>
  );
}

function Content({ row, changes }: { row: Row; changes: number }): ReactElement {
  const { t } = useTranslation(["messages", "common"]);
  const format = useFormat();
  const [{ data, error }, again] = useQuery({
    query: MessageHistoryDocument,
    variables: { id: row.id },
    requestPolicy: "cache-and-network",
  });
  useEffect(() => {
    if (changes > 0) again({ requestPolicy: "network-only" });
  }, [changes, again]);
  const node = data?.node;
  const found = node && "history" in node ? node : null;
  const shown = found ?? row;
  const indicator = INDICATOR_OF[shown.status];
  // The earliest first: what happened, as it happened.
  const history = found ? [...found.history].sort((one, other) => one.at.localeCompare(other.at)) : [];
  const facts: readonly (readonly [name: string, value: string | null | undefined])[] = [
    [t("facts.errorCode"), shown.errorCode],
    [t("facts.errorReason"), shown.errorReason],
    [t("facts.country"), shown.country && format.country(shown.country)],
    [t("facts.operator"), shown.operator],
    [t("facts.provider"), found?.provider],
    [t("facts.reference"), found?.reference],
  ];
  return (
    <Stack gap="lg">
      <div>
        <Title order={2} size="h3">
          {shown.recipient}
        </Title>
        {shown.contactName && <Text c="dimmed">{shown.contactName}</Text>}
      </div>
      <Group gap="sm" role="status">
        <Badge
          color={INDICATOR_COLOR[indicator]}
          variant="light"
          c="var(--mantine-color-text)"
          size="lg"
          leftSection={<Dot color={indicatorFill(indicator)} />}
        >
          {t(`common:status.${shown.status}`)}
        </Badge>
        <Text size="sm">{format.time(shown.statusAt)}</Text>
      </Group>
      <Text size="sm">{t(`meanings.${indicator}`)}</Text>
      {error && <Failure error={error} again={() => again({ requestPolicy: "network-only" })} />}
      <Title order={3} size="h5">
        {t("history")}
      </Title>
      <Timeline active={history.length - 1} bulletSize={18} lineWidth={2} color={INDICATOR_COLOR[indicator]}>
        {history.map(({ status, at, errorCode }) => (
          <Timeline.Item
            key={status}
            color={INDICATOR_COLOR[INDICATOR_OF[status]]}
            title={t(`common:status.${status}`)}
          >
            <Text size="sm" c="dimmed">
              {format.exact(at)}
              {errorCode ? ` · ${errorCode}` : ""}
            </Text>
          </Timeline.Item>
        ))}
      </Timeline>
      <Table variant="vertical" layout="fixed">
        <Table.Tbody>
          {facts.map(([name, value]) =>
            value ? (
              <Table.Tr key={name}>
                <Table.Th w="40%">{name}</Table.Th>
                <Table.Td style={{ overflowWrap: "anywhere" }}>{value}</Table.Td>
              </Table.Tr>
            ) : null,
          )}
        </Table.Tbody>
      </Table>
      <QueryLink document={MessageHistoryDocument} variables={{ id: row.id }} />
    </Stack>
  );
}
