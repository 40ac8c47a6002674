import { Paper, Stack, Text, Title } from "@mantine/core";
import { useId } from "@mantine/hooks";
import { memo, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import type { CourseFragment } from "../gql/graphql";
import { useFormat } from "../i18n/format";

/** Where the duration stands in the sentence, which is another place in each language. */
const PLACE = "\u0000";
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
          {SHARES.map((share) => {
            const [before, after] = t(`deliveryTime.${share}`, { duration: PLACE }).split(PLACE);
            return (
              <Text key={share}>
                {before}
                <Text span fw={700} style={{ whiteSpace: "nowrap" }}>
                  {format.duration(time[share])}
                </Text>
                {after}
              </Text>
            );
          })}
          <Text size="sm" c="dimmed">
            {t("deliveryTime.of", { count: time.count, number: format.number(time.count) })}
          </Text>
        </Stack>
      )}
    </Paper>
  );
});
