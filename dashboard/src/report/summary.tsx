/** The report's first part: what was sent, when, and to whom. */

import { Anchor, Group, Paper, Skeleton, Stack, Text, Title } from "@mantine/core";
import { useId } from "@mantine/hooks";
import { ArrowRight } from "lucide-react";
import { Fragment, type ReactElement, type ReactNode, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { useLiveQuery } from "../api/api";
import { SummaryDocument, type SummaryQuery } from "../gql/graphql";
import { useFormat } from "../i18n/format";
import { Failure } from "../parts/failure";
import { QueryLink } from "../parts/query-link";
import { addressOf } from "./address";
import { Phone } from "./phone";
import css from "./report.module.css";

const NUMBERS = 20;
type Campaign = NonNullable<SummaryQuery["campaign"]>;

export default function Summary({ id }: { id: string }): ReactElement {
  const variables = useMemo(() => ({ id, first: NUMBERS }), [id]);
  const [{ data, error }, again] = useLiveQuery({ query: SummaryDocument, variables });
  const campaign = data?.campaign;
  return (
    <Stack gap="lg">
      {error && <Failure error={error} again={() => again({ requestPolicy: "network-only" })} />}
      {campaign ? (
        <>
          <Group align="stretch" gap="lg">
            <Sms campaign={campaign} />
            <Facts campaign={campaign} />
          </Group>
          <Numbers campaign={campaign} />
          <Group justify="end">
            <QueryLink document={SummaryDocument} variables={variables} />
          </Group>
        </>
      ) : (
        !error && <Skeleton height={420} aria-hidden />
      )}
    </Stack>
  );
}

function Sms({ campaign }: { campaign: Campaign }): ReactElement {
  const { t } = useTranslation("report");
  const format = useFormat();
  const heading = useId();
  const characters = [...campaign.text].length;
  const parts = campaign.partsPerMessage;
  return (
    <Paper component="section" withBorder p={{ base: "md", sm: "lg" }} flex="1 1 300px" aria-labelledby={heading}>
      <Title order={2} size="h4" id={heading} mb="md">
        {t("summary.onPhone")}
      </Title>
      <Phone text={campaign.text} sender={campaign.sender} at={campaign.sentAt ?? campaign.createdAt} />
      <Text size="sm" c="dimmed" ta="center" mt="md">
        {t("summary.characters", { count: characters, number: format.number(characters) })} ·{" "}
        {t("summary.parts", { count: parts, number: format.number(parts) })}
      </Text>
    </Paper>
  );
}

function Facts({ campaign }: { campaign: Campaign }): ReactElement {
  const { t } = useTranslation(["report", "common"]);
  const format = useFormat();
  const heading = useId();
  const { sentAt, state, audienceOf } = campaign;
  const facts: [label: string, value: ReactNode][] = [
    [t("summary.state"), t(`common:state.${state}`)],
    [t("summary.type"), t(`common:type.${campaign.type}`)],
    [t("summary.sender"), campaign.sender],
    [t("summary.created"), format.time(campaign.createdAt)],
    [
      t(state === "SCHEDULED" ? "summary.toBeSent" : "summary.sent"),
      sentAt === null ? t("notSent") : format.time(sentAt),
    ],
    [
      t("summary.recipients"),
      <>
        {format.number(campaign.recipientCount)}
        {campaign.filling && (
          <Text size="sm" c="dimmed">
            {t("filling")}
          </Text>
        )}
      </>,
    ],
    [t("summary.partsPerMessage"), format.number(campaign.partsPerMessage)],
    [t("summary.credits"), format.amount(campaign.cost)],
  ];
  if (audienceOf) {
    facts.push([
      t("summary.audienceOf"),
      <Anchor key="origin" component={Link} href={addressOf(audienceOf.id, "summary")}>
        {audienceOf.name}
      </Anchor>,
    ]);
  }
  return (
    <Paper component="section" withBorder p={{ base: "md", sm: "lg" }} flex="2 1 340px" aria-labelledby={heading}>
      <Title order={2} size="h4" id={heading} mb="xs">
        {t("summary.campaign")}
      </Title>
      <dl className={css["facts"]}>
        {facts.map(([label, value]) => (
          <Fragment key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </Fragment>
        ))}
      </dl>
    </Paper>
  );
}

function Numbers({ campaign }: { campaign: Campaign }): ReactElement {
  const { t } = useTranslation("report");
  const format = useFormat();
  const heading = useId();
  const { nodes } = campaign.messages;
  const total = campaign.recipientCount;
  return (
    <Paper component="section" withBorder p={{ base: "md", sm: "lg" }} aria-labelledby={heading}>
      <Group justify="space-between" align="baseline" mb="sm">
        <Title order={2} size="h4" id={heading}>
          {t("summary.numbers")}
        </Title>
        {nodes.length > 0 && (
          <Anchor component={Link} href={addressOf(campaign.id, "reports")} size="sm">
            {t("summary.all")} <ArrowRight size={14} aria-hidden style={{ verticalAlign: "-2px" }} />
          </Anchor>
        )}
      </Group>
      {nodes.length === 0 ? (
        <Text c="dimmed">{t("summary.none")}</Text>
      ) : (
        <ul className={css["numbers"]}>
          {nodes.map(({ id, recipient, contactName }) => (
            <li key={id}>
              <bdi dir="ltr">{recipient}</bdi>
              {contactName && (
                <Text span size="sm" c="dimmed">
                  {" "}
                  {contactName}
                </Text>
              )}
            </li>
          ))}
        </ul>
      )}
      {nodes.length > 0 && (
        <Text size="sm" c="dimmed" mt="sm">
          {total > nodes.length &&
            t("summary.numbersOf", { shown: format.number(nodes.length), total: format.number(total) })}{" "}
          {nodes.some(({ recipient }) => recipient.includes("•")) && t("summary.masked")}
        </Text>
      )}
    </Paper>
  );
}
