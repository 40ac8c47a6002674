/** Whose report it is. */

import { Anchor, Badge, Group, Loader, Stack, Text, Title } from "@mantine/core";
import { ArrowLeft } from "lucide-react";
import { memo, type ReactElement, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { STATE_COLOR } from "../app/theme";
import { type CampaignState, ReportDocument } from "../gql/graphql";
import { useFormat } from "../i18n/format";
import { QueryLink } from "../parts/query-link";

interface Props {
  readonly id: string;
  readonly name: string;
  readonly state: CampaignState;
  readonly sentAt: string | null;
  readonly recipients: number;
  readonly filling: boolean;
}

export const Heading = memo(function Heading(props: Props): ReactElement {
  const { id, name, state, sentAt, recipients, filling } = props;
  const { t } = useTranslation(["report", "common"]);
  const format = useFormat();
  const variables = useMemo(() => ({ id }), [id]);
  const when =
    sentAt === null
      ? t("notSent")
      : t(state === "SCHEDULED" ? "sendAt" : "sentAt", { time: format.time(sentAt) });
  return (
    <Stack gap="xs">
      <Group justify="space-between" gap="xs">
        <Anchor component={Link} href="/" size="sm">
          <ArrowLeft size={14} aria-hidden style={{ verticalAlign: "-2px" }} /> {t("back")}
        </Anchor>
        <QueryLink document={ReportDocument} variables={variables} />
      </Group>
      <Group gap="sm">
        <Title order={1} size="h2" style={{ overflowWrap: "anywhere" }}>
          {name}
        </Title>
        <Badge variant="light" color={STATE_COLOR[state]} size="lg" tt="none">
          {t(`common:state.${state}`)}
        </Badge>
      </Group>
      <Group c="dimmed" style={{ columnGap: "var(--mantine-spacing-lg)", rowGap: 0 }}>
        <Text size="sm">{when}</Text>
        <Text size="sm">{t("recipients", { count: recipients, number: format.number(recipients) })}</Text>
        {filling && (
          <Group gap={6} role="status">
            <Loader size={14} type="dots" aria-hidden />
            <Text size="sm">{t("filling")}</Text>
          </Group>
        )}
      </Group>
    </Stack>
  );
});
