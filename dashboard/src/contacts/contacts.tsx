/** Who is written to, and who is no more, and why. */

import { Alert, Badge, Button, Center, Group, Skeleton, Stack, Tabs, Text, TextInput, Title } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { Plus, Search, Upload } from "lucide-react";
import { type ReactElement, useState } from "react";
import { useTranslation } from "react-i18next";
import { useQuery } from "urql";
import { Link, useLocation, useParams } from "wouter";
import { useLiveQuery } from "../api/api";
import { useViewer } from "../api/viewer";
import { type ContactCardFragment, ContactCountsDocument, ContactsDocument } from "../gql/graphql";
import { useFormat } from "../i18n/format";
import { ExportMenu } from "../parts/export-menu";
import { Failure } from "../parts/failure";
import { Pager, usePages } from "../parts/pages";
import { QueryLink } from "../parts/query-link";
import { ContactForm } from "./contact-form";
import { ContactList } from "./contact-list";

const ROWS = 25;

export default function Contacts(): ReactElement {
  const { list } = useParams();
  // Each list has pages of its own.
  return <Book key={list ?? ""} removed={list === "removed"} />;
}

function Book({ removed }: { removed: boolean }): ReactElement {
  const { t } = useTranslation("contacts");
  const viewer = useViewer();
  const [, go] = useLocation();
  const [search, setSearch] = useState("");
  const [group, setGroup] = useState<string | null>(null);
  const [edited, setEdited] = useState<ContactCardFragment | "new" | null>(null);
  const [settled] = useDebouncedValue(search.trim(), 300);
  const pages = usePages(ROWS);
  const variables = {
    ...pages.place,
    removed,
    ...(settled && { search: settled }),
    ...(group !== null && { group }),
  };
  const [{ data, error, fetching, stale }, again] = useLiveQuery({ query: ContactsDocument, variables });
  const [counts] = useQuery({ query: ContactCountsDocument });
  const shown = data?.contacts.nodes;
  const searches = viewer.may("CONTACTS_READ");
  const edits = viewer.may("CAMPAIGNS_WRITE");
  const filtered = settled !== "" || group !== null;

  return (
    <Stack gap="lg">
      <Group justify="space-between">
        <Title order={1} size="h2">
          {t("title")}
        </Title>
        <Group gap="sm">
          <ExportMenu
            path="/contacts"
            name={t(removed ? "removed" : "active")}
            parameters={new URLSearchParams({
              ...(removed && { removed: "true" }),
              ...(group !== null && { group }),
            })}
          />
          {edits && (
            <>
              <Button component={Link} href="/import" variant="default" leftSection={<Upload size={16} aria-hidden />}>
                {t("import")}
              </Button>
              <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setEdited("new")}>
                {t("add")}
              </Button>
            </>
          )}
        </Group>
      </Group>
      <Tabs
        value={removed ? "removed" : "active"}
        onChange={(tab) => go(tab === "removed" ? "/contacts/removed" : "/contacts")}
      >
        <Tabs.List>
          <Tabs.Tab value="active" rightSection={<Count of={counts.data?.active.totalCount} />}>
            {t("active")}
          </Tabs.Tab>
          <Tabs.Tab value="removed" rightSection={<Count of={counts.data?.removed.totalCount} />}>
            {t("removed")}
          </Tabs.Tab>
        </Tabs.List>
      </Tabs>
      {removed && (
        <Text size="sm" c="dimmed">
          {t("removedMeans")}
        </Text>
      )}
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
        {group !== null && (
          <Button
            variant="light"
            onClick={() => {
              setGroup(null);
              pages.reset();
            }}
          >
            {t("ofGroup", { group })}
          </Button>
        )}
        <QueryLink document={ContactsDocument} variables={variables} />
      </Group>
      {viewer.workspace !== null && !searches && <Alert color="gray">{t("masked")}</Alert>}
      {error && <Failure error={error} again={() => again({ requestPolicy: "network-only" })} />}
      {shown && shown.length > 0 && (
        <ContactList
          contacts={shown}
          removed={removed}
          edits={edits}
          edit={setEdited}
          chooseGroup={(name) => {
            setGroup(name);
            pages.reset();
          }}
        />
      )}
      {!shown && fetching && <Skeleton height={300} aria-hidden />}
      {shown?.length === 0 && (
        <Center py="xl">
          <Text c="dimmed">{t(filtered ? "noneFound" : removed ? "noneRemoved" : "none")}</Text>
        </Center>
      )}
      <Pager pages={pages} info={data?.contacts.pageInfo} busy={fetching || stale || settled !== search.trim()} />
      <ContactForm contact={edited} close={() => setEdited(null)} />
    </Stack>
  );
}

function Count({ of }: { of: number | null | undefined }): ReactElement | null {
  const format = useFormat();
  if (of === null || of === undefined) return null;
  return (
    <Badge variant="light" color="gray" tt="none" c="var(--mantine-color-text)">
      {format.number(of)}
    </Badge>
  );
}
