import { Paper, Stack, Text, Title } from "@mantine/core";
import { useId } from "@mantine/hooks";
import { memo, type ReactElement } from "react";
import { Trans, useTranslation } from "react-i18next";
import type { CourseFragment } from "../gql/graphql";
import { useFormat } from "../i18n/format";

const SHARES = ["p50", "p90", "p99"] as const;

interface Props {
  readonly time: CourseFragment["deliveryTime"];
}

/** How long it took to the handsets, in words. */
export const DeliveryTime = memo(function DeliveryTime({ time }: Props): ReactElement {
  const { t } = useTranslation("report");
  const format = useFormat();
  const heading = useId();
  return (
    <Paper component="section" withBorder p={{ base: "md", sm: "lg" }} aria-labelledby={heading}>
      <Title order={2} size="h4" id={heading} mb="sm">
        {t("deliveryTime.title")}
      </Title>
      {time === null ? (
        <Text c="dimmed">{t("deliveryTime.none")}</Text>
      ) : (
        <Stack gap={6}>
          {SHARES.map((share) => (
            <Text key={share}>
              <Trans
                t={t}
                i18nKey={`deliveryTime.${share}`}
                values={{ duration: format.duration(time[share]) }}
                components={{ b: <Text span />, d: <Text span fw={700} style={{ whiteSpace: "nowrap" }} /> }}
              />
            </Text>
          ))}
          <Text size="sm" c="dimmed">
            {t("deliveryTime.of", { count: time.count, number: format.number(time.count) })}
          </Text>
        </Stack>
      )}
    </Paper>
  );
});
