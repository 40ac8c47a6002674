/** Every campaign with its rates, moving. */

import {
  Anchor,
  Badge,
  Button,
  Center,
  Group,
  Paper,
  Select,
  SimpleGrid,
  Skeleton,
  Stack,
  Table,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useDebouncedValue, useMediaQuery } from "@mantine/hooks";
import { Search } from "lucide-react";
import { type ReactElement, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useSubscription } from "urql";
import { Link } from "wouter";
import { useLiveQuery } from "../api/api";
import { STATE_COLOR } from "../app/theme";
import {
  type CampaignFilter,
  type CampaignOrder,
  type CampaignState,
  type HistoryCampaignFragment,
  HistoryDocument,
  HistoryLiveDocument,
  type SmsType,
} from "../gql/graphql";
import { useFormat } from "../i18n/format";
import { Failure } from "../parts/failure";
import { Pager, usePages } from "../parts/pages";
import { QueryLink } from "../parts/query-link";
import { RateBar } from "../parts/rate-bar";

const ROWS = 25;
const STATES: readonly CampaignState[] = ["SCHEDULED", "SENDING", "COMPLETED"];
const TYPES: readonly SmsType[] = ["MARKETING", "TRANSACTIONAL", "OTP"];
const ORDERS = {
  newest: { field: "CREATED_AT", direction: "DESC" },
  lastSent: { field: "SENT_AT", direction: "DESC" },
  byName: { field: "NAME", direction: "ASC" },
} as const satisfies Record<string, CampaignOrder>;
type Order = keyof typeof ORDERS;

interface Chosen {
  readonly search: string;
  readonly state: CampaignState | null;
  readonly type: SmsType | null;
  readonly from: string;
  readonly to: string;
}

const NOTHING: Chosen = { search: "", state: null, type: null, from: "", to: "" };

export default function History(): ReactElement {
  const { t } = useTranslation("history");
  const [chosen, setChosen] = useState(NOTHING);
  const [order, setOrder] = useState<Order>("newest");
  const pages = usePages(ROWS);
  const [settled] = useDebouncedValue(chosen, 250);
  const filter = useMemo(() => asFilter(settled), [settled]);
  const variables = {
    ...pages.place,
    orderBy: ORDERS[order],
    ...(filter && { filter }),
  };
  const [{ data, error, fetching, stale }, again] = useLiveQuery({ query: HistoryDocument, variables });
  const shown = data?.campaigns.nodes;

  const known = useRef(new Set<string>());
  for (const { id } of shown ?? []) known.current.add(id);
  useSubscription({ query: HistoryLiveDocument }, (_, event) => {
    // Those that are shown move by themselves; a new one has to be put in its place.
    const unknown = event.campaignsUpdated.filter(({ id }) => !known.current.has(id));
    for (const { id } of unknown) known.current.add(id);
    if (unknown.length > 0) again({ requestPolicy: "network-only" });
    return event;
  });

  function choose(change: Partial<Chosen>): void {
    setChosen((before) => ({ ...before, ...change }));
    pages.reset();
  }

  return (
    <Stack gap="lg">
      <Group justify="space-between">
        <Title order={1} size="h2">
          {t("title")}
        </Title>
        <QueryLink document={HistoryDocument} variables={variables} />
      </Group>
      <Filters
        chosen={chosen}
        choose={choose}
        order={order}
        setOrder={(next) => {
          setOrder(next);
          pages.reset();
        }}
      />
      {error && <Failure error={error} again={() => again({ requestPolicy: "network-only" })} />}
      {shown && shown.length > 0 && <List campaigns={shown} />}
      {!shown && fetching && <Waiting />}
      {shown?.length === 0 && (
        <Center py="xl">
          <Stack align="center">
            <Text c="dimmed">{t(chosen === NOTHING ? "none" : "noneFound")}</Text>
            {chosen !== NOTHING && (
              <Button variant="default" onClick={() => choose(NOTHING)}>
                {t("reset")}
              </Button>
            )}
          </Stack>
        </Center>
      )}
      <Pager pages={pages} info={data?.campaigns.pageInfo} busy={fetching || stale || settled !== chosen} />
    </Stack>
  );
}

function asFilter({ search, state, type, from, to }: Chosen): CampaignFilter | undefined {
  const filter: CampaignFilter = {
    ...(search.trim() && { search: search.trim() }),
    ...(state && { state }),
    ...(type && { type }),
    // The days of who looks, not of the server; the last day included.
    ...(from && { sentFrom: new Date(`${from}T00:00`).toISOString() }),
    ...(to && { sentTo: dayAfter(to).toISOString() }),
  };
  return Object.keys(filter).length > 0 ? filter : undefined;
}

function dayAfter(day: string): Date {
  const date = new Date(`${day}T00:00`);
  date.setDate(date.getDate() + 1);
  return date;
}

interface FiltersProps {
  readonly chosen: Chosen;
  readonly order: Order;
  choose(change: Partial<Chosen>): void;
  setOrder(order: Order): void;
}

function Filters({ chosen, choose, order, setOrder }: FiltersProps): ReactElement {
  const { t } = useTranslation(["history", "common"]);
  return (
    <SimpleGrid component="search" cols={{ base: 2, sm: 3, lg: 6 }} spacing="sm">
      <TextInput
        type="search"
        label={t("search")}
        leftSection={<Search size={16} aria-hidden />}
        value={chosen.search}
        onChange={(event) => choose({ search: event.currentTarget.value })}
      />
      <Select
        label={t("state")}
        placeholder={t("any")}
        clearable
        data={STATES.map((value) => ({ value, label: t(`common:state.${value}`) }))}
        value={chosen.state}
        onChange={(value) => choose({ state: value as CampaignState | null })}
      />
      <Select
        label={t("type")}
        placeholder={t("any")}
        clearable
        data={TYPES.map((value) => ({ value, label: t(`common:type.${value}`) }))}
        value={chosen.type}
        onChange={(value) => choose({ type: value as SmsType | null })}
      />
      <TextInput
        type="date"
        label={t("from")}
        max={chosen.to || undefined}
        value={chosen.from}
        onChange={(event) => choose({ from: event.currentTarget.value })}
      />
      <TextInput
        type="date"
        label={t("to")}
        min={chosen.from || undefined}
        value={chosen.to}
        onChange={(event) => choose({ to: event.currentTarget.value })}
      />
      <Select
        label={t("order")}
        allowDeselect={false}
        data={(Object.keys(ORDERS) as Order[]).map((value) => ({ value, label: t(`orders.${value}`) }))}
        value={order}
        onChange={(value) => value && setOrder(value as Order)}
      />
    </SimpleGrid>
  );
}

function List({ campaigns }: { campaigns: readonly HistoryCampaignFragment[] }): ReactElement {
  const wide = useMediaQuery("(min-width: 48em)", undefined, { getInitialValueInEffect: false });
  return wide ? <Rows campaigns={campaigns} /> : <Cards campaigns={campaigns} />;
}

function Rows({ campaigns }: { campaigns: readonly HistoryCampaignFragment[] }): ReactElement {
  const { t } = useTranslation("history");
  const format = useFormat();
  return (
    <Paper withBorder>
      <Table verticalSpacing="sm" horizontalSpacing="md" highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t("columns.name")}</Table.Th>
            <Table.Th>{t("columns.state")}</Table.Th>
            <Table.Th>{t("columns.date")}</Table.Th>
            <Table.Th ta="right">{t("columns.recipients")}</Table.Th>
            <Table.Th ta="right">{t("columns.received")}</Table.Th>
            <Table.Th w="34%">{t("columns.rates")}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {campaigns.map((campaign) => (
            <Table.Tr key={campaign.id}>
              <Table.Td maw={320}>
                <Anchor component={Link} href={addressOf(campaign.id)} fw={600} lineClamp={2}>
                  {campaign.name}
                </Anchor>
              </Table.Td>
              <Table.Td>
                <State campaign={campaign} />
              </Table.Td>
              <Table.Td style={{ whiteSpace: "nowrap" }}>{campaign.sentAt ? format.time(campaign.sentAt) : t("notSent")}</Table.Td>
              <Table.Td ta="right">{format.number(campaign.recipientCount)}</Table.Td>
              <Table.Td ta="right">{format.rate(received(campaign))}</Table.Td>
              <Table.Td>
                <RateBar rates={campaign.statistics.indicators} total={campaign.statistics.total} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Paper>
  );
}

function Cards({ campaigns }: { campaigns: readonly HistoryCampaignFragment[] }): ReactElement {
  const { t } = useTranslation("history");
  const format = useFormat();
  return (
    <Stack component="ul" gap="sm" p={0} m={0} style={{ listStyle: "none" }}>
      {campaigns.map((campaign) => (
        <Paper key={campaign.id} component="li" withBorder p="md">
          <Stack gap="xs">
            <Group justify="space-between" wrap="nowrap" align="start">
              <Anchor component={Link} href={addressOf(campaign.id)} fw={600} lineClamp={2}>
                {campaign.name}
              </Anchor>
              <State campaign={campaign} />
            </Group>
            <RateBar rates={campaign.statistics.indicators} total={campaign.statistics.total} />
            <Group justify="space-between" gap="xs">
              <Text size="sm" c="dimmed">
                {campaign.sentAt ? format.time(campaign.sentAt) : t("notSent")}
              </Text>
              <Text size="sm">
                {t("columns.received")} {format.rate(received(campaign))} ·{" "}
                {format.number(campaign.recipientCount)} {t("columns.recipients")}
              </Text>
            </Group>
          </Stack>
        </Paper>
      ))}
    </Stack>
  );
}

function State({ campaign: { state } }: { campaign: HistoryCampaignFragment }): ReactElement {
  const { t } = useTranslation();
  return (
    <Badge variant="light" color={STATE_COLOR[state]} tt="none" style={{ flexShrink: 0 }}>
      {t(`state.${state}`)}
    </Badge>
  );
}

function Waiting(): ReactElement {
  return (
    <Stack gap="sm" aria-hidden>
      {Array.from({ length: 6 }, (_, row) => (
        <Skeleton key={row} height={44} />
      ))}
    </Stack>
  );
}

function received({ statistics }: HistoryCampaignFragment): number | null {
  return statistics.indicators.find(({ indicator }) => indicator === "RECEIPT")?.rate ?? null;
}

function addressOf(campaign: string): string {
  return `/campaigns/${encodeURIComponent(campaign)}`;
}
