import { ActionIcon, Anchor, Badge, Button, Group, Paper, Stack, Table, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { Pencil, RotateCcw, Trash2 } from "lucide-react";
import { type ReactElement, type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { useMutation } from "urql";
import { Link } from "wouter";
import { failureOf } from "../api/errors";
import { type ContactCardFragment, DeleteContactDocument, UpdateContactDocument } from "../gql/graphql";
import { useFormat } from "../i18n/format";
import { Confirm } from "../parts/confirm";
import { useFailureText } from "../parts/failure";
import { useUserErrors } from "../parts/user-errors";

interface Props {
  readonly contacts: readonly ContactCardFragment[];
  readonly removed: boolean;
  readonly edits: boolean;
  edit(contact: ContactCardFragment): void;
  chooseGroup(name: string): void;
}

type Doubt = { readonly contact: ContactCardFragment; readonly what: "remove" | "restore" };

/** Contacts as a table, on a phone as cards. */
export function ContactList({ contacts, removed, edits, edit, chooseGroup }: Props): ReactElement {
  const { t } = useTranslation("contacts");
  const format = useFormat();
  const wide = useMediaQuery("(min-width: 62em)", undefined, { getInitialValueInEffect: false });
  const [doubt, setDoubt] = useState<Doubt | null>(null);

  const actions = (contact: ContactCardFragment): ReactNode =>
    edits && (
      <Group gap={4} wrap="nowrap" justify="end">
        {contact.removal && (
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<RotateCcw size={14} aria-hidden />}
            onClick={() => setDoubt({ contact, what: "restore" })}
          >
            {t("restore")}
          </Button>
        )}
        <ActionIcon variant="default" aria-label={t("editOf", { number: contact.number })} onClick={() => edit(contact)}>
          <Pencil size={16} aria-hidden />
        </ActionIcon>
        <ActionIcon
          variant="default"
          aria-label={t("deleteOf", { number: contact.number })}
          onClick={() => setDoubt({ contact, what: "remove" })}
        >
          <Trash2 size={16} aria-hidden />
        </ActionIcon>
      </Group>
    );
  const groups = (contact: ContactCardFragment): ReactNode => (
    <Group gap={4}>
      {contact.groups.map((name) => (
        <Badge
          key={name}
          component="button"
          variant="light"
          tt="none"
          style={{ cursor: "pointer" }}
          onClick={() => chooseGroup(name)}
        >
          {name}
        </Badge>
      ))}
    </Group>
  );

  return (
    <>
      {wide ? (
        <Paper withBorder>
          <Table verticalSpacing="xs" horizontalSpacing="md" highlightOnHover>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("columns.number")}</Table.Th>
                <Table.Th>{t("columns.name")}</Table.Th>
                <Table.Th>{t("columns.groups")}</Table.Th>
                <Table.Th>{t(removed ? "columns.why" : "columns.attributes")}</Table.Th>
                <Table.Th>{t(removed ? "columns.removedAt" : "columns.since")}</Table.Th>
                {edits && (
                  <Table.Th>
                    <span className="visually-hidden">{t("columns.actions")}</span>
                  </Table.Th>
                )}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {contacts.map((contact) => (
                <Table.Tr key={contact.id}>
                  <Table.Td>{contact.number}</Table.Td>
                  <Table.Td>{contact.name}</Table.Td>
                  <Table.Td>{groups(contact)}</Table.Td>
                  <Table.Td>{contact.removal ? <Why contact={contact} /> : <Attributes contact={contact} />}</Table.Td>
                  <Table.Td>{format.time(contact.removal?.at ?? contact.createdAt)}</Table.Td>
                  {edits && <Table.Td>{actions(contact)}</Table.Td>}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Paper>
      ) : (
        <Stack component="ul" gap="sm" p={0} m={0} style={{ listStyle: "none" }}>
          {contacts.map((contact) => (
            <Paper key={contact.id} component="li" withBorder p="md">
              <Stack gap={6}>
                <Group justify="space-between" wrap="nowrap">
                  <div>
                    <Text fw={600}>{contact.number}</Text>
                    <Text size="sm">{contact.name}</Text>
                  </div>
                  {actions(contact)}
                </Group>
                {groups(contact)}
                {contact.removal ? <Why contact={contact} /> : <Attributes contact={contact} />}
                <Text size="sm" c="dimmed">
                  {format.time(contact.removal?.at ?? contact.createdAt)}
                </Text>
              </Stack>
            </Paper>
          ))}
        </Stack>
      )}
      {doubt && <Doubted doubt={doubt} close={() => setDoubt(null)} />}
    </>
  );
}

function Attributes({ contact }: { contact: ContactCardFragment }): ReactElement {
  return (
    <Text size="sm" c="dimmed" lineClamp={2}>
      {contact.attributes.map(({ name, value }) => `${name}: ${value}`).join(" · ")}
    </Text>
  );
}

function Why({ contact: { removal } }: { contact: ContactCardFragment }): ReactElement | null {
  const { t } = useTranslation(["contacts", "common"]);
  if (!removal) return null;
  return (
    <Text size="sm">
      {t(`reasons.${removal.reason}`)}
      {removal.status && <span> · {t(`common:status.${removal.status}`)}</span>}
      {removal.errorCode && <span> · {removal.errorCode}</span>}
      {removal.campaign && (
        <>
          {" · "}
          <Anchor component={Link} href={`/campaigns/${encodeURIComponent(removal.campaign.id)}`} size="sm">
            {removal.campaign.name}
          </Anchor>
        </>
      )}
    </Text>
  );
}

/** To delete somebody, or to write to somebody again, is asked twice. */
function Doubted({ doubt: { contact, what }, close }: { doubt: Doubt; close(): void }): ReactElement {
  const { t } = useTranslation("contacts");
  const words = useUserErrors();
  const text = useFailureText();
  const [deleting, remove] = useMutation(DeleteContactDocument);
  const [updating, update] = useMutation(UpdateContactDocument);
  const [error, setError] = useState<string | null>(null);

  async function confirm(): Promise<void> {
    const result =
      what === "remove"
        ? await remove({ input: { id: contact.id } })
        : await update({ input: { id: contact.id, restored: true } });
    const refused =
      result.data && ("deleteContact" in result.data ? result.data.deleteContact : result.data.updateContact).userErrors;
    if (result.error) setError(text(failureOf(result.error)));
    else if (refused && refused.length > 0) setError(words(refused, ""));
    else close();
  }

  return (
    <Confirm
      opened
      title={t(`${what}Title`)}
      text={t(`${what}Means`, { number: contact.number })}
      action={t(what === "remove" ? "delete" : "restore")}
      busy={deleting.fetching || updating.fetching}
      error={error}
      confirm={() => void confirm()}
      close={close}
    />
  );
}
