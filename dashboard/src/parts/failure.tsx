import { Alert, Button, Group, Text } from "@mantine/core";
import { CircleAlert } from "lucide-react";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import type { CombinedError } from "urql";
import { type Failure as What, failureOf } from "../api/errors";

const KNOWN = ["NETWORK", "FORBIDDEN", "NOT_FOUND", "RATE_LIMITED", "UNAVAILABLE"] as const;

/** What went wrong in words, by its code. */
export function useFailureText(): (failure: What) => string {
  const { t } = useTranslation();
  return ({ code, message }) => {
    const known = KNOWN.find((one) => one === code);
    return known ? t(`failure.${known}`) : t("failure.other", { code, message });
  };
}

interface Props {
  readonly error: CombinedError;
  again?(): void;
}

/** Says what went wrong and, where it may help, offers to try again. */
export function Failure({ error, again }: Props): ReactElement {
  const { t } = useTranslation();
  const text = useFailureText();
  return (
    <Alert color="red" title={t("failure.title")} icon={<CircleAlert aria-hidden />} role="alert">
      <Group justify="space-between" align="end">
        <Text size="sm">{text(failureOf(error))}</Text>
        {again && (
          <Button variant="default" size="xs" onClick={again}>
            {t("failure.again")}
          </Button>
        )}
      </Group>
    </Alert>
  );
}
