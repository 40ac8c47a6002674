import { ActionIcon, Alert, Button, Group, Modal, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { Plus, X } from "lucide-react";
import { type FormEvent, type ReactElement, useState } from "react";
import { useTranslation } from "react-i18next";
import { useMutation } from "urql";
import { failureOf } from "../api/errors";
import { type ContactCardFragment, CreateContactDocument, UpdateContactDocument } from "../gql/graphql";
import { useFailureText } from "../parts/failure";
import { type UserError, useUserErrors } from "../parts/user-errors";

interface Props {
  readonly contact: ContactCardFragment | "new" | null;
  close(): void;
}

const FIELDS = ["number", "name", "groups", "attributes"];

/** To write somebody down, or to write down something else of them. */
export function ContactForm({ contact, close }: Props): ReactElement {
  const { t } = useTranslation(["contacts", "common"]);
  return (
    <Modal
      opened={contact !== null}
      onClose={close}
      title={t(contact === "new" ? "add" : "edit")}
      closeButtonProps={{ "aria-label": t("common:close") }}
    >
      {contact !== null && <Form contact={contact === "new" ? null : contact} close={close} />}
    </Modal>
  );
}

function Form({ contact, close }: { contact: ContactCardFragment | null; close(): void }): ReactElement {
  const { t } = useTranslation(["contacts", "common"]);
  const words = useUserErrors();
  const text = useFailureText();
  const [number, setNumber] = useState(contact?.number ?? "");
  const [name, setName] = useState(contact?.name ?? "");
  const [groups, setGroups] = useState<string[]>([...(contact?.groups ?? [])]);
  const [attributes, setAttributes] = useState((contact?.attributes ?? []).map(({ name: of, value }) => ({ name: of, value })));
  const [creating, create] = useMutation(CreateContactDocument);
  const [updating, update] = useMutation(UpdateContactDocument);
  const [refused, setRefused] = useState<readonly UserError[]>([]);
  const [failed, setFailed] = useState<string | null>(null);

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    const said = { name, groups, attributes: attributes.filter((one) => one.name.trim() !== "") };
    const result = contact
      ? await update({ input: { id: contact.id, ...said } })
      : await create({ input: { number, ...said } });
    const payload = result.data && ("createContact" in result.data ? result.data.createContact : result.data.updateContact);
    setRefused(payload?.userErrors ?? []);
    setFailed(result.error ? text(failureOf(result.error)) : null);
    if (payload && payload.userErrors.length === 0) close();
  }

  function change(place: number, part: "name" | "value", value: string): void {
    setAttributes((before) => before.map((one, index) => (index === place ? { ...one, [part]: value } : one)));
  }

  const elsewhere = failed ?? words(refused, "", FIELDS);
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack>
        <TextInput
          label={t("form.number")}
          description={contact ? undefined : t("form.numberMeans")}
          type="tel"
          autoComplete="off"
          required
          withAsterisk={false}
          disabled={contact !== null}
          value={number}
          onChange={(event) => setNumber(event.currentTarget.value)}
          error={words(refused, "number")}
        />
        <TextInput
          label={t("form.name")}
          autoComplete="off"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={words(refused, "name")}
        />
        <TagsInput
          label={t("form.groups")}
          description={t("form.groupsMean")}
          value={groups}
          onChange={setGroups}
          error={words(refused, "groups")}
        />
        <Stack gap="xs" role="group" aria-label={t("form.attributes")}>
          <Text size="sm" fw={500}>
            {t("form.attributes")}
          </Text>
          {attributes.map((one, place) => (
            // biome-ignore lint: rows have no other name than their place
            <Group key={place} gap="xs" wrap="nowrap">
              <TextInput
                flex={1}
                aria-label={t("form.attributeName", { place: place + 1 })}
                placeholder={t("form.attribute")}
                value={one.name}
                onChange={(event) => change(place, "name", event.currentTarget.value)}
              />
              <TextInput
                flex={1}
                aria-label={t("form.attributeValue", { place: place + 1 })}
                placeholder={t("form.value")}
                value={one.value}
                onChange={(event) => change(place, "value", event.currentTarget.value)}
              />
              <ActionIcon
                variant="default"
                size="lg"
                aria-label={t("form.attributeAway", { place: place + 1 })}
                onClick={() => setAttributes((before) => before.filter((_, index) => index !== place))}
              >
                <X size={16} aria-hidden />
              </ActionIcon>
            </Group>
          ))}
          {words(refused, "attributes") && (
            <Text size="sm" c="var(--mantine-color-error)">
              {words(refused, "attributes")}
            </Text>
          )}
          <Button
            variant="subtle"
            size="compact-sm"
            w="fit-content"
            leftSection={<Plus size={14} aria-hidden />}
            onClick={() => setAttributes((before) => [...before, { name: "", value: "" }])}
          >
            {t("form.attributeMore")}
          </Button>
        </Stack>
        {elsewhere && (
          <Alert color="red" role="alert">
            {elsewhere}
          </Alert>
        )}
        <Group justify="end">
          <Button variant="default" onClick={close}>
            {t("common:cancel")}
          </Button>
          <Button type="submit" loading={creating.fetching || updating.fetching}>
            {t("form.save")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
