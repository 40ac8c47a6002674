/** Who gets no more SMS, and why. */

import {
  ActionIcon,
  Alert,
  Anchor,
  Badge,
  Button,
  Center,
  Group,
  Modal,
  Paper,
  Skeleton,
  Stack,
  Table,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { Plus, Search, Trash2, Upload } from "lucide-react";
import { type FormEvent, type ReactElement, useState } from "react";
import { useTranslation } from "react-i18next";
import { useMutation, useQuery } from "urql";
import { Link } from "wouter";
import { useLiveQuery } from "../api/api";
import { failureOf } from "../api/errors";
import { useViewer } from "../api/viewer";
import {
  AddToBlacklistDocument,
  BlacklistCountDocument,
  BlacklistDocument,
  type ListedFragment,
  RemoveFromBlacklistDocument,
} from "../gql/graphql";
import { useFormat } from "../i18n/format";
import { Confirm } from "../parts/confirm";
import { ExportMenu } from "../parts/export-menu";
import { Failure, useFailureText } from "../parts/failure";
import { Pager, usePages } from "../parts/pages";
import { QueryLink } from "../parts/query-link";
import { type UserError, useUserErrors } from "../parts/user-errors";

const ROWS = 25;

export default function Blacklist(): ReactElement {
  const { t } = useTranslation("blacklist");
  const format = useFormat();
  const viewer = useViewer();
  const [search, setSearch] = useState("");
  const [settled] = useDebouncedValue(search.trim(), 300);
  const [adding, setAdding] = useState(false);
  const [doubted, setDoubted] = useState<ListedFragment | null>(null);
  const pages = usePages(ROWS);
  const variables = { ...pages.place, ...(settled && { search: settled }) };
  const [{ data, error, fetching, stale }, again] = useLiveQuery({ query: BlacklistDocument, variables });
  const [counted] = useQuery({ query: BlacklistCountDocument });
  const shown = data?.blacklist.nodes;
  const total = counted.data?.blacklist.totalCount;
  const searches = viewer.may("CONTACTS_READ");
  const edits = viewer.may("CAMPAIGNS_WRITE");

  return (
    <Stack gap="lg">
      <Group justify="space-between">
        <Group gap="sm">
          <Title order={1} size="h2">
            {t("title")}
          </Title>
          {typeof total === "number" && (
            <Badge variant="light" color="gray" size="lg" c="var(--mantine-color-text)">
              {format.number(total)}
            </Badge>
          )}
        </Group>
        <Group gap="sm">
          <ExportMenu path="/blacklist" name={t("title")} />
          {edits && (
            <>
              <Button component={Link} href="/import" variant="default" leftSection={<Upload size={16} aria-hidden />}>
                {t("import")}
              </Button>
              <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setAdding(true)}>
                {t("add")}
              </Button>
            </>
          )}
        </Group>
      </Group>
      <Text c="dimmed" size="sm">
        {t("means")}
      </Text>
      <Group justify="space-between" align="end">
        <TextInput
          type="search"
          flex="1 1 16rem"
          maw={420}
          label={t("search")}
          leftSection={<Search size={16} aria-hidden />}
          disabled={!searches}
          value={search}
          onChange={(event) => {
            setSearch(event.currentTarget.value);
            pages.reset();
          }}
        />
        <QueryLink document={BlacklistDocument} variables={variables} />
      </Group>
      {viewer.workspace !== null && !searches && <Alert color="gray">{t("masked")}</Alert>}
      {error && <Failure error={error} again={() => again({ requestPolicy: "network-only" })} />}
      {shown && shown.length > 0 && (
        <Paper withBorder style={{ overflowX: "auto" }}>
          <Table verticalSpacing="xs" horizontalSpacing="md" highlightOnHover>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("columns.number")}</Table.Th>
                <Table.Th>{t("columns.reason")}</Table.Th>
                <Table.Th visibleFrom="sm">{t("columns.since")}</Table.Th>
                <Table.Th visibleFrom="sm">{t("columns.campaign")}</Table.Th>
                {edits && (
                  <Table.Th>
                    <span className="visually-hidden">{t("columns.actions")}</span>
                  </Table.Th>
                )}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {shown.map((entry) => (
                <Table.Tr key={entry.id}>
                  <Table.Td>{entry.number}</Table.Td>
                  <Table.Td>
                    <Badge variant="light" color={entry.reason === "UNSUBSCRIBED" ? "grape" : "gray"} c="var(--mantine-color-text)">
                      {t(`reasons.${entry.reason}`)}
                    </Badge>
                    <Text size="xs" c="dimmed" hiddenFrom="sm" mt={4}>
                      {format.time(entry.since)}
                    </Text>
                  </Table.Td>
                  <Table.Td visibleFrom="sm">{format.time(entry.since)}</Table.Td>
                  <Table.Td visibleFrom="sm">
                    {entry.campaign && (
                      <Anchor component={Link} href={`/campaigns/${encodeURIComponent(entry.campaign.id)}`} size="sm">
                        {entry.campaign.name}
                      </Anchor>
                    )}
                  </Table.Td>
                  {edits && (
                    <Table.Td ta="right">
                      <ActionIcon
                        variant="default"
                        aria-label={t("removeOf", { number: entry.number })}
                        onClick={() => setDoubted(entry)}
                      >
                        <Trash2 size={16} aria-hidden />
                      </ActionIcon>
                    </Table.Td>
                  )}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Paper>
      )}
      {!shown && fetching && <Skeleton height={300} aria-hidden />}
      {shown?.length === 0 && (
        <Center py="xl">
          <Text c="dimmed">{t(settled ? "noneFound" : "none")}</Text>
        </Center>
      )}
      <Pager pages={pages} info={data?.blacklist.pageInfo} busy={fetching || stale || settled !== search.trim()} />
      <Add opened={adding} close={() => setAdding(false)} />
      {doubted && <Remove entry={doubted} close={() => setDoubted(null)} />}
    </Stack>
  );
}

function Add({ opened, close }: { opened: boolean; close(): void }): ReactElement {
  const { t } = useTranslation(["blacklist", "common"]);
  return (
    <Modal opened={opened} onClose={close} title={t("add")} closeButtonProps={{ "aria-label": t("common:close") }}>
      {opened && <AddForm close={close} />}
    </Modal>
  );
}

function AddForm({ close }: { close(): void }): ReactElement {
  const { t } = useTranslation(["blacklist", "common"]);
  const words = useUserErrors();
  const text = useFailureText();
  const [number, setNumber] = useState("");
  const [refused, setRefused] = useState<readonly UserError[]>([]);
  const [failed, setFailed] = useState<string | null>(null);
  const [{ fetching }, add] = useMutation(AddToBlacklistDocument);

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    const { data, error } = await add({ input: { number } });
    setRefused(data?.addToBlacklist.userErrors ?? []);
    setFailed(error ? text(failureOf(error)) : null);
    if (data?.addToBlacklist.userErrors.length === 0) close();
  }

  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack>
        <TextInput
          type="tel"
          label={t("number")}
          description={t("numberMeans")}
          autoComplete="off"
          required
          withAsterisk={false}
          data-autofocus
          value={number}
          onChange={(event) => setNumber(event.currentTarget.value)}
          error={words(refused, "number") ?? failed ?? words(refused, "", ["number"])}
        />
        <Group justify="end">
          <Button variant="default" onClick={close}>
            {t("common:cancel")}
          </Button>
          <Button type="submit" loading={fetching}>
            {t("add")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Remove({ entry, close }: { entry: ListedFragment; close(): void }): ReactElement {
  const { t } = useTranslation("blacklist");
  const words = useUserErrors();
  const text = useFailureText();
  const [{ fetching }, remove] = useMutation(RemoveFromBlacklistDocument);
  const [failed, setFailed] = useState<string | null>(null);

  async function confirm(): Promise<void> {
    const { data, error } = await remove({ input: { id: entry.id } });
    const refused = data?.removeFromBlacklist.userErrors ?? [];
    if (error) setFailed(text(failureOf(error)));
    else if (refused.length > 0) setFailed(words(refused, ""));
    else close();
  }

  return (
    <Confirm
      opened
      title={t("removeTitle")}
      text={t("removeMeans", { number: entry.number })}
      action={t("remove")}
      busy={fetching}
      error={failed}
      confirm={() => void confirm()}
      close={close}
    />
  );
}
