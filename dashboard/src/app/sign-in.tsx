import {
  Alert,
  Button,
  Center,
  Checkbox,
  Code,
  Group,
  Paper,
  PasswordInput,
  Stack,
  Text,
  Title,
} from "@mantine/core";
import { KeyRound } from "lucide-react";
import { type FormEvent, type ReactElement, useState } from "react";
import { Trans, useTranslation } from "react-i18next";
import { LanguageMenu, SchemeToggle } from "./preferences";

interface Props {
  readonly refused: boolean;
  onSignedIn(credential: string, remember: boolean): void;
}

type Outcome = "taken" | "refused" | "unreachable";

/** Whether the server takes it. */
async function tryOut(credential: string): Promise<Outcome> {
  try {
    const response = await fetch("/graphql", {
      method: "POST",
      headers: { authorization: `Bearer ${credential}`, "content-type": "application/json" },
      body: JSON.stringify({ query: "{ __typename }" }),
    });
    if (response.status === 401) return "refused";
    return response.ok ? "taken" : "unreachable";
  } catch {
    return "unreachable";
  }
}

/** Asks for an API key or a token. */
export function SignIn({ refused, onSignedIn }: Props): ReactElement {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  const [remember, setRemember] = useState(false);
  const [trying, setTrying] = useState(false);
  const [outcome, setOutcome] = useState<Outcome | null>(null);

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    const credential = typed.trim().replace(/^bearer\s+/i, "");
    // A header holds nothing else, and no key or token has it.
    if (!/^[\x21-\x7e]+$/.test(credential)) return setOutcome("refused");
    setTrying(true);
    const found = await tryOut(credential);
    setTrying(false);
    setOutcome(found);
    if (found === "taken") onSignedIn(credential, remember);
  }

  return (
    <Center component="main" mih="100dvh" p="md">
      <Paper withBorder shadow="sm" p="xl" w="100%" maw={440} component="form" onSubmit={submit}>
        <Stack gap="md">
          <Group justify="space-between" wrap="nowrap">
            <Title order={1} size="h3">
              {t("product")}
            </Title>
            <Group gap="xs" wrap="nowrap">
              <LanguageMenu />
              <SchemeToggle />
            </Group>
          </Group>
          <Text c="dimmed">{t("signIn.why")}</Text>
          {refused && outcome === null && (
            <Alert color="yellow" role="status">
              {t("signIn.noMore")}
            </Alert>
          )}
          <PasswordInput
            label={t("signIn.credential")}
            description={t("signIn.what")}
            leftSection={<KeyRound size={18} aria-hidden />}
            visibilityToggleButtonProps={{ "aria-label": t("signIn.show") }}
            autoComplete="off"
            spellCheck={false}
            required
            withAsterisk={false}
            data-autofocus
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            error={
              outcome === "refused"
                ? t("signIn.refused")
                : outcome === "unreachable"
                  ? t("signIn.unreachable")
                  : null
            }
          />
          <Checkbox
            label={t("signIn.remember")}
            description={t("signIn.until")}
            checked={remember}
            onChange={(event) => setRemember(event.currentTarget.checked)}
          />
          <Button type="submit" loading={trying} fullWidth>
            {t("signIn.go")}
          </Button>
          <Text size="sm" c="dimmed">
            <Trans
              i18nKey="signIn.how"
              components={{ command: <Code /> }}
              values={{ command: "gql-server keys create --workspace …" }}
            />
          </Text>
        </Stack>
      </Paper>
    </Center>
  );
}
