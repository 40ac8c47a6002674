/** One line a contact, of a million if need be: the report's third part. */

import { Alert, Button, Center, Group, Loader, Stack, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { RefreshCw } from "lucide-react";
import { type ReactElement, useCallback, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { type CombinedError } from "urql";
import { useLiveQuery } from "../api/api";
import { MessagesAfterDocument, MessagesHeadDocument, type MessagesHeadQuery } from "../gql/graphql";
import { useFormat } from "../i18n/format";
import { ExportMenu } from "../parts/export-menu";
import { Failure } from "../parts/failure";
import { QueryLink } from "../parts/query-link";
import { type Chosen, EVERYTHING, filterOf, orderOf, parametersOf } from "./chosen";
import { Filters } from "./filters";
import { Grid, type GridHandle } from "./grid";
import { MessageDrawer } from "./message-drawer";
import { useList } from "./use-list";
import { PAGE, type Row } from "./window";

type Head = NonNullable<MessagesHeadQuery["campaign"]>;

export function Messages({ campaign }: { campaign: string }): ReactElement {
  const [{ data, error }, again] = useLiveQuery({
    query: MessagesHeadDocument,
    variables: { id: campaign },
  });
  if (error && !data) return <Failure error={error} again={() => again({ requestPolicy: "network-only" })} />;
  if (!data?.campaign) {
    return (
      <Center py="xl">
        <Loader />
      </Center>
    );
  }
  return <Listed key={campaign} head={data.campaign} />;
}

function Listed({ head }: { head: Head }): ReactElement {
  const { t } = useTranslation("messages");
  const format = useFormat();
  const [chosen, setChosen] = useState<Chosen>(EVERYTHING);
  const [search] = useDebouncedValue(chosen.search.trim(), 300);
  const settled = useMemo(() => ({ ...chosen, search }), [chosen.tab, chosen.status, chosen.order, search]);
  const [open, setOpen] = useState<Row | null>(null);
  const [changes, setChanges] = useState(0);
  const looked = useRef<string | null>(null);
  looked.current = open?.id ?? null;
  const onChange = useCallback((ids: ReadonlySet<string>) => {
    // The open message has a history to show.
    if (looked.current !== null && ids.has(looked.current)) setChanges((before) => before + 1);
  }, []);
  const { total } = head.statistics;
  const list = useList(head.id, settled, total, head.updatesCursor, { onChange });
  const grid = useRef<GridHandle>(null);

  const count = countOf(head, settled);
  const filter = filterOf(settled);
  const orderBy = orderOf(settled);

  function refresh(): void {
    grid.current?.toTop();
    list.refresh();
  }

  return (
    <Stack gap="md">
      <Filters head={head} chosen={chosen} choose={setChosen} />
      <Group justify="space-between" gap="sm">
        <Group gap="md">
          <Text size="sm" c="dimmed" data-testid="count">
            {count === null ? t("found") : t("count", { shown: format.number(count), total: format.number(total) })}
          </Text>
          {chosen !== EVERYTHING && (
            <Button variant="subtle" size="compact-sm" onClick={() => setChosen(EVERYTHING)}>
              {t("reset")}
            </Button>
          )}
          {list.moved > 0 && (
            <Button
              variant="light"
              size="compact-sm"
              leftSection={<RefreshCw size={14} aria-hidden />}
              onClick={refresh}
            >
              {t("moved", { count: list.moved, shown: format.number(list.moved) })}
            </Button>
          )}
        </Group>
        <Group gap="md">
          <QueryLink
            document={MessagesAfterDocument}
            variables={{ id: head.id, first: PAGE, ...(filter && { filter }), ...(orderBy && { orderBy }) }}
          />
          <ExportMenu
            path={`/campaigns/${encodeURIComponent(head.id)}/report`}
            parameters={parametersOf(settled)}
            name={head.name}
          />
        </Group>
      </Group>
      <Grid
        ref={grid}
        window={list.window}
        label={t("listOf", { name: head.name })}
        open={setOpen}
        moved={list.moved}
        refresh={list.refresh}
        failure={(failure, retry) => <WindowFailure failure={failure} retry={retry} />}
        nothing={
          <Stack align="center" gap="xs">
            <Text c="dimmed">{t(total === 0 ? "nobody" : "nothing")}</Text>
            {total > 0 && (
              <Button variant="default" onClick={() => setChosen(EVERYTHING)}>
                {t("reset")}
              </Button>
            )}
          </Stack>
        }
      />
      <MessageDrawer row={open} changes={changes} close={() => setOpen(null)} />
    </Stack>
  );
}

/** How many there are, where somebody has counted: all, of an indicator, or of a status. */
function countOf({ statistics }: Head, { tab, status, search }: Chosen): number | null {
  if (search !== "") return null;
  if (status !== null) {
    const statuses = statistics.indicators.flatMap((one) => one.statuses);
    return statuses.find((one) => one.status === status)?.count ?? 0;
  }
  if (tab === "ALL") return statistics.total;
  return statistics.indicators.find(({ indicator }) => indicator === tab)?.count ?? 0;
}

function WindowFailure({ failure, retry }: { failure: unknown; retry(): void }): ReactElement {
  const { t } = useTranslation("messages");
  const error = failure as Partial<CombinedError>;
  const code = error.graphQLErrors?.[0]?.extensions["code"];
  if (code === "INVALID_SEARCH") return <Alert color="yellow">{t("invalidSearch")}</Alert>;
  if (code === "MESSAGES_EXPIRED") return <Alert color="gray">{t("expired")}</Alert>;
  return <Failure error={failure as CombinedError} again={retry} />;
}
