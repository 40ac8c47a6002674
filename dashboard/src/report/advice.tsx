/** What each rate means, what to do about it, and what became of the numbers. */

import { Anchor, Paper, Stack, Text, Title } from "@mantine/core";
import { useId } from "@mantine/hooks";
import { memo, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { INDICATORS } from "../app/theme";
import type { CourseFragment } from "../gql/graphql";
import { useFormat } from "../i18n/format";
import { Swatch } from "./swatch";

interface Props {
  readonly hygiene: CourseFragment["hygiene"] | undefined;
}

export const Advice = memo(function Advice({ hygiene }: Props): ReactElement {
  const { t } = useTranslation(["report", "common"]);
  const heading = useId();
  return (
    <Paper component="section" withBorder p={{ base: "md", sm: "lg" }} aria-labelledby={heading}>
      <Title order={2} size="h4" id={heading} mb="md">
        {t("statistics.advice")}
      </Title>
      <Stack component="dl" gap="md" m={0}>
        {INDICATORS.map((indicator) => (
          <div key={indicator}>
            <Text component="dt" size="sm" fw={650}>
              <Swatch indicator={indicator} /> {t(`common:indicator.${indicator}`)}
            </Text>
            <Text component="dd" size="sm" m={0} pl={20}>
              {t(`statistics.means.${indicator}`)}
              {hygiene && indicator === "PERMANENT_ERROR" && (
                <Outcome what="removed" count={hygiene.removed} href="/contacts/removed" />
              )}
              {hygiene && indicator === "UNSUBSCRIBE" && (
                <Outcome what="blacklisted" count={hygiene.blacklisted} href="/blacklist" />
              )}
            </Text>
          </div>
        ))}
      </Stack>
    </Paper>
  );
});

interface OutcomeProps {
  readonly what: "removed" | "blacklisted";
  /** Null: more than are counted. */
  readonly count: number | null;
  readonly href: string;
}

function Outcome({ what, count, href }: OutcomeProps): ReactElement | null {
  const { t } = useTranslation("report");
  const format = useFormat();
  if (count === 0) return null;
  return (
    <Anchor component={Link} href={href} size="sm" display="block" mt={2}>
      {count === null
        ? t(`statistics.${what}Many`)
        : t(`statistics.${what}`, { count, number: format.number(count) })}
    </Anchor>
  );
}
