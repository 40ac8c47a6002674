import { Badge, Chip, Group, ScrollArea, SegmentedControl, Stack, Tabs, TextInput, Tooltip } from "@mantine/core";
import { Search } from "lucide-react";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { useViewer } from "../api/viewer";
import { INDICATORS, indicatorFill } from "../app/theme";
import type { DeliveryStatus, MessagesHeadQuery } from "../gql/graphql";
import { useFormat } from "../i18n/format";
import type { Chosen, Order, Tab } from "./chosen";

interface Props {
  readonly head: NonNullable<MessagesHeadQuery["campaign"]>;
  readonly chosen: Chosen;
  choose(chosen: Chosen): void;
}

/** Tabs by indicator with their counts, the statuses of the chosen one, search, and the order. */
export function Filters({ head, chosen, choose }: Props): ReactElement {
  const { t } = useTranslation(["messages", "common"]);
  const format = useFormat();
  const viewer = useViewer();
  const { total, indicators } = head.statistics;
  const byIndicator = new Map(indicators.map((one) => [one.indicator, one]));
  const statuses = chosen.tab === "ALL" ? [] : (byIndicator.get(chosen.tab)?.statuses ?? []);
  const searches = viewer.may("CONTACTS_READ");

  return (
    <Stack gap="sm">
      <Group align="end" gap="sm" wrap="wrap">
        <Tooltip label={t("searchNeeds")} disabled={searches || viewer.workspace === null} multiline maw={260}>
          <TextInput
            type="search"
            flex="1 1 16rem"
            label={t("search")}
            placeholder={t("searchExample")}
            leftSection={<Search size={16} aria-hidden />}
            disabled={!searches}
            value={chosen.search}
            onChange={(event) => choose({ ...chosen, search: event.currentTarget.value })}
          />
        </Tooltip>
        <SegmentedControl
          aria-label={t("order")}
          data={(["position", "latest"] as const).map((value) => ({
            value,
            label: t(`orders.${value}`),
            // The server has the order of time for all, or for one status.
            disabled: value === "latest" && (chosen.search !== "" || (chosen.tab !== "ALL" && !chosen.status && statuses.length > 1)),
          }))}
          value={chosen.order}
          onChange={(order) => choose({ ...chosen, order: order as Order })}
        />
      </Group>
      <Tabs
        value={chosen.tab}
        onChange={(tab) => choose({ ...chosen, tab: (tab ?? "ALL") as Tab, status: null, search: "" })}
      >
        <ScrollArea type="auto" offsetScrollbars={false} scrollbarSize={6}>
          <Tabs.List style={{ flexWrap: "nowrap" }} aria-label={t("tabs")}>
            <Tabs.Tab value="ALL" rightSection={<Count of={total} />}>
              {t("all")}
            </Tabs.Tab>
            {INDICATORS.map((indicator) => (
              <Tabs.Tab
                key={indicator}
                value={indicator}
                leftSection={<Dot color={indicatorFill(indicator)} />}
                rightSection={<Count of={byIndicator.get(indicator)?.count ?? 0} />}
              >
                {t(`common:indicatorShort.${indicator}`)}
              </Tabs.Tab>
            ))}
          </Tabs.List>
        </ScrollArea>
      </Tabs>
      {statuses.length > 1 && (
        <Chip.Group
          value={chosen.status ?? ""}
          onChange={(status) => choose({ ...chosen, status: (status || null) as DeliveryStatus | null, search: "" })}
        >
          <Group gap="xs" role="group" aria-label={t("statuses")}>
            <Chip value="" size="sm">
              {t("all")}
            </Chip>
            {statuses.map(({ status, count }) => (
              <Chip key={status} value={status} size="sm">
                {t(`common:status.${status}`)} {format.number(count)}
              </Chip>
            ))}
          </Group>
        </Chip.Group>
      )}
    </Stack>
  );
}

function Count({ of }: { of: number }): ReactElement {
  const format = useFormat();
  return (
    <Badge variant="light" color="gray" tt="none" c="var(--mantine-color-text)">
      {format.number(of)}
    </Badge>
  );
}

export function Dot({ color }: { color: string }): ReactElement {
  return (
    <span
      aria-hidden
      style={{ display: "inline-block", width: 10, height: 10, borderRadius: 5, background: color, flexShrink: 0 }}
    />
  );
}
