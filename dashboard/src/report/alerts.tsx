import { Alert, SimpleGrid, Text } from "@mantine/core";
import { TriangleAlert } from "lucide-react";
import { memo, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import type { CourseFragment } from "../gql/graphql";
import css from "./report.module.css";

/**
 * Rates that are higher than they should be, and what to do about it. Without the figures, which stand above: a screen
 * reader tells of an alert that comes, not of each receipt after it.
 */
export const Alerts = memo(function Alerts({ alerts }: Pick<CourseFragment, "alerts">): ReactElement {
  const { t } = useTranslation("report");
  return (
    <SimpleGrid cols={{ base: 1, md: Math.min(2, alerts.length || 1) }} spacing="sm" aria-live="polite" className={css["alerts"]!}>
      {alerts.map(({ indicator }) => (
        <Alert
          key={indicator}
          color="orange"
          role="note"
          title={t(`alerts.${indicator}.title`)}
          icon={<TriangleAlert aria-hidden />}
          data-alert={indicator}
          // Orange on light orange is too pale for a text of this size.
          styles={{ title: { color: "var(--mantine-color-text)" } }}
        >
          <Text size="sm">{t(`alerts.${indicator}.text`)}</Text>
        </Alert>
      ))}
    </SimpleGrid>
  );
});
