/** The report's second part: how the messages are received, and what to do about it. */

import { Alert, Skeleton, Stack } from "@mantine/core";
import { CalendarClock } from "lucide-react";
import { type ReactElement, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { type CombinedError, useSubscription } from "urql";
import { useLiveQuery } from "../api/api";
import {
  type CampaignState,
  StatisticsDocument,
  StatisticsLiveDocument,
  type StatisticsQueryVariables,
} from "../gql/graphql";
import { useFormat } from "../i18n/format";
import { Failure } from "../parts/failure";
import { Advice } from "./advice";
import { Alerts } from "./alerts";
import { Breakdown } from "./breakdown";
import { DeliveryTime } from "./delivery-time";
import { Diagram } from "./diagram";
import { useLoss } from "./live";
import { OverTime } from "./over-time";
import css from "./report.module.css";
import { intervalFor } from "./timeline";

interface Props {
  readonly id: string;
  readonly state: CampaignState;
  readonly sentAt: string | null;
  readonly createdAt: string;
  /** It has no recipients. */
  readonly empty: boolean;
}

export default function Statistics({ id, state, sentAt, createdAt, empty }: Props): ReactElement {
  // As it was when the page was opened: bars that change their width under one's eyes help nobody.
  const [interval] = useState(() => intervalFor(sentAt ?? createdAt));
  const variables = useMemo(() => ({ id, interval }), [id, interval]);
  const [{ data, error }, again] = useLiveQuery({ query: StatisticsDocument, variables });
  const [lost, setLost] = useState<CombinedError>();
  const course = data?.campaign;
  const failed = error ?? lost;

  return (
    <Stack gap="lg">
      {course && !lost && <Live variables={variables} onLost={setLost} />}
      {failed && (
        <Failure
          error={failed}
          again={() => {
            setLost(undefined);
            again({ requestPolicy: "network-only" });
          }}
        />
      )}
      <Expected state={state} sentAt={sentAt} empty={empty} />
      {course && <Alerts alerts={course.alerts} />}
      <div className={css["columns"]}>
        <Diagram id={id} />
        <Stack gap="lg">
          <Advice hygiene={course?.hygiene} />
          {course && <DeliveryTime time={course.deliveryTime} />}
        </Stack>
      </div>
      {course ? (
        <OverTime id={id} points={course.timeline} interval={interval} />
      ) : (
        !failed && <Skeleton height={420} aria-hidden />
      )}
      <Breakdown id={id} />
    </Stack>
  );
}

interface LiveProps {
  readonly variables: StatisticsQueryVariables;
  onLost(error: CombinedError): void;
}

/** Keeps the figures moving. It shows nothing, so that an event renders what changed and no more. */
function Live({ variables, onLost }: LiveProps): null {
  useLoss(useSubscription({ query: StatisticsLiveDocument, variables })[0].error, onLost);
  return null;
}

/** Says why there is nothing to see yet. */
function Expected({ state, sentAt, empty }: Pick<Props, "state" | "sentAt" | "empty">): ReactElement | null {
  const { t } = useTranslation("report");
  const format = useFormat();
  const text =
    state === "SCHEDULED" && sentAt !== null
      ? t("empty.scheduled", { time: format.time(sentAt) })
      : empty
        ? t("empty.noRecipients")
        : null;
  return text === null ? null : (
    <Alert color="indigo" icon={<CalendarClock aria-hidden />}>
      {text}
    </Alert>
  );
}
