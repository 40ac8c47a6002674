import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

interface Props {
  readonly opened: boolean;
  readonly title: string;
  readonly text: string;
  readonly action: string;
  readonly busy: boolean;
  readonly error: string | null;
  confirm(): void;
  close(): void;
}

/** Asks before something is done that others will notice. */
export function Confirm({ opened, title, text, action, busy, error, confirm, close }: Props): ReactElement {
  const { t } = useTranslation();
  return (
    <Modal opened={opened} onClose={close} title={title} closeButtonProps={{ "aria-label": t("close") }}>
      <Stack>
        <Text>{text}</Text>
        {error && (
          <Text c="var(--mantine-color-error)" role="alert">
            {error}
          </Text>
        )}
        <Group justify="end">
          <Button variant="default" onClick={close} data-autofocus>
            {t("cancel")}
          </Button>
          <Button color="red" loading={busy} onClick={confirm}>
            {action}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
