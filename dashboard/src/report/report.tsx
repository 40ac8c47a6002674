/** One campaign: its five rates, and below them one of three parts. */

import { Button, Center, Skeleton, Stack, Tabs, Text, Title } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { ChartPie, FileText, List, type LucideIcon } from "lucide-react";
import { lazy, memo, type ReactElement, Suspense, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { type CombinedError, useSubscription } from "urql";
import { Link, useLocation, useParams } from "wouter";
import { useLiveQuery } from "../api/api";
import { type CampaignState, ReportDocument, ReportLiveDocument } from "../gql/graphql";
import { Failure } from "../parts/failure";
import { addressOf, PARTS, type Part } from "./address";
import { Heading } from "./heading";
import { useLoss } from "./live";
import { Rates } from "./rates";

// Only the part that is looked at is loaded, and asks the server.
const Summary = lazy(() => import("./summary"));
const Statistics = lazy(() => import("./statistics"));
const Messages = lazy(async () => ({ default: (await import("../messages/messages")).Messages }));

const ICONS: Readonly<Record<Part, LucideIcon>> = { summary: FileText, statistics: ChartPie, reports: List };

export default function Report(): ReactElement {
  const { id: inAddress = "", part: asked } = useParams();
  const id = decoded(inAddress);
  // Another campaign is another report: nothing of this one stays.
  return <Campaign key={id} id={id} part={PARTS.find((part) => part === asked) ?? "statistics"} />;
}

/** The router leaves = and + as they are written in the address. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function Campaign({ id, part }: { id: string; part: Part }): ReactElement {
  const variables = useMemo(() => ({ id }), [id]);
  const [{ data, error }, again] = useLiveQuery({ query: ReportDocument, variables });
  const campaign = data?.campaign;
  const [lost, setLost] = useState<CombinedError>();

  if (campaign === null) return <NotFound />;
  const failed = error ?? lost;
  return (
    <Stack gap="lg">
      {campaign && !lost && <Live id={id} onLost={setLost} />}
      {failed && (
        <Failure
          error={failed}
          again={() => {
            setLost(undefined);
            again({ requestPolicy: "network-only" });
          }}
        />
      )}
      {!campaign && !failed && <Waiting />}
      {campaign && (
        <>
          <Heading
            id={id}
            name={campaign.name}
            state={campaign.state}
            sentAt={campaign.sentAt}
            recipients={campaign.recipientCount}
            filling={campaign.filling}
          />
          <Rates statistics={campaign.statistics} />
          <Parts
            id={id}
            part={part}
            state={campaign.state}
            sentAt={campaign.sentAt}
            createdAt={campaign.createdAt}
            empty={campaign.statistics.total === 0}
          />
        </>
      )}
    </Stack>
  );
}

interface PartsProps {
  readonly id: string;
  readonly part: Part;
  readonly state: CampaignState;
  readonly sentAt: string | null;
  readonly createdAt: string;
  readonly empty: boolean;
}

/** What does not move with the figures is not rendered with them. */
const Parts = memo(function Parts({ id, part, ...campaign }: PartsProps): ReactElement {
  const { t } = useTranslation("report");
  const wide = useMediaQuery("(min-width: 36em)", undefined, { getInitialValueInEffect: false });
  const [, navigate] = useLocation();
  return (
    <Tabs value={part} onChange={(next) => navigate(addressOf(id, next as Part))} keepMounted={false}>
      <Tabs.List aria-label={t("parts.name")} mb="lg" grow={!wide}>
        {PARTS.map((one) => {
          const Icon = ICONS[one];
          return (
            <Tabs.Tab
              key={one}
              value={one}
              leftSection={wide && <Icon size={16} aria-hidden />}
              fz={wide ? "md" : "sm"}
            >
              {t(`parts.${one}`)}
            </Tabs.Tab>
          );
        })}
      </Tabs.List>
      <Suspense fallback={<Skeleton height={320} aria-hidden />}>
        <Tabs.Panel value="summary">
          <Summary id={id} />
        </Tabs.Panel>
        <Tabs.Panel value="statistics">
          <Statistics id={id} {...campaign} />
        </Tabs.Panel>
        <Tabs.Panel value="reports">
          <Messages campaign={id} />
        </Tabs.Panel>
      </Suspense>
    </Tabs>
  );
});

/** Keeps the figures moving. It shows nothing, so that an event renders what changed and no more. */
function Live({ id, onLost }: { id: string; onLost(error: CombinedError): void }): null {
  useLoss(useSubscription({ query: ReportLiveDocument, variables: { id } })[0].error, onLost);
  return null;
}

function NotFound(): ReactElement {
  const { t } = useTranslation("report");
  return (
    <Center py={80}>
      <Stack align="center" ta="center" maw={460}>
        <Title order={1} size="h2">
          {t("notFound.title")}
        </Title>
        <Text c="dimmed">{t("notFound.text")}</Text>
        <Button component={Link} href="/" variant="light">
          {t("back")}
        </Button>
      </Stack>
    </Center>
  );
}

function Waiting(): ReactElement {
  return (
    <Stack gap="lg" aria-hidden>
      <Skeleton height={72} />
      <Skeleton height={150} />
      <Skeleton height={420} />
    </Stack>
  );
}
