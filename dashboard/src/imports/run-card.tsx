import { Alert, Button, Group, Paper, Progress, Stack, Table, Text, Title } from "@mantine/core";
import { CircleCheck, CircleX, Download } from "lucide-react";
import { type ReactElement, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useApi } from "../api/api";
import { useFormat } from "../i18n/format";
import { download } from "../parts/download";
import type { Import, Progress as Going, Refused, RefusedLine } from "./upload";
import { refusedLines } from "./upload";

/** Of the refused lines, how many are shown here; all of them are in the file. */
const SHOWN = 100;

export interface Run {
  readonly id: string;
  readonly name: string;
  readonly target: "recipients" | "contacts" | "blacklist";
  readonly progress: Going;
  readonly outcome: { readonly done: Import } | { readonly refused: Refused } | { readonly stopped: true } | null;
  stop(): void;
}

/** One import: how far it is, and what became of it. */
export function RunCard({ run }: { run: Run }): ReactElement {
  const { t } = useTranslation(["import", "common"]);
  const { outcome, progress } = run;
  return (
    <Paper withBorder p="lg" component="section" aria-label={run.name}>
      <Stack>
        <Group justify="space-between">
          <Title order={2} size="h4">
            {run.name}
          </Title>
          <Text size="sm" c="dimmed">
            {t(`targets.${run.target}`)}
          </Text>
        </Group>
        {outcome === null && <Moving progress={progress} stop={run.stop} />}
        {outcome && "done" in outcome && <Done done={outcome.done} />}
        {outcome && "stopped" in outcome && (
          <Alert color="gray" role="status">
            {t("stopped", { rows: progress.so?.rows ?? 0 })}
          </Alert>
        )}
        {outcome && "refused" in outcome && <NotTaken refused={outcome.refused} />}
      </Stack>
    </Paper>
  );
}

function Moving({ progress: { sent, so, waiting }, stop }: { progress: Going; stop(): void }): ReactElement {
  const { t } = useTranslation(["import", "common"]);
  const format = useFormat();
  const share = Math.min(100, Math.round(sent * 100));
  const refused = refusedIn(so);
  return (
    <Stack gap="xs">
      <Progress.Root size="lg">
        <Progress.Section value={share} animated={!waiting} aria-label={t("progress")}>
          <Progress.Label>{share > 9 ? `${share} %` : ""}</Progress.Label>
        </Progress.Section>
      </Progress.Root>
      <Group justify="space-between">
        <Text size="sm" aria-live="polite">
          {waiting
            ? t("waiting")
            : t("soFar", { rows: format.number(so?.rows ?? 0), refused: format.number(refused) })}
        </Text>
        <Button variant="default" size="compact-sm" onClick={stop}>
          {t("common:cancel")}
        </Button>
      </Group>
    </Stack>
  );
}

function Done({ done }: { done: Import }): ReactElement {
  const { t } = useTranslation("import");
  const format = useFormat();
  const refused = refusedIn(done);
  const facts = [
    ["added", done.added],
    ["updated", done.updated],
    ["blacklisted", done.blacklisted],
    ["there", done.there],
  ] as const;
  return (
    <Stack>
      <Alert color={refused > 0 ? "yellow" : "teal"} icon={<CircleCheck aria-hidden />} role="status" title={t("done")}>
        {facts.map(([name, count]) =>
          count ? <Text key={name} size="sm">{t(`facts.${name}`, { count, shown: format.number(count) })}</Text> : null,
        )}
        {refused > 0 && <Text size="sm">{t("facts.refused", { count: refused, shown: format.number(refused) })}</Text>}
        {done.added === 0 && refused === 0 && <Text size="sm">{t("facts.nothing")}</Text>}
      </Alert>
      {(refused > 0 || (done.blacklisted ?? 0) > 0) && <RefusedList done={done} />}
    </Stack>
  );
}

function RefusedList({ done }: { done: Import }): ReactElement {
  const { t, i18n } = useTranslation("import");
  const format = useFormat();
  const api = useApi();
  const [lines, setLines] = useState<readonly RefusedLine[]>([]);
  useEffect(() => {
    let over = false;
    void refusedLines(api, done.id, SHOWN).then((found) => {
      if (!over) setLines(found);
    });
    return () => {
      over = true;
    };
  }, [api, done.id]);
  const wordsOf = (code: string, otherwise: string) =>
    i18n.exists(`import:codes.${code}`) ? t(`codes.${code}` as "codes.INVALID_NUMBER") : otherwise;
  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Title order={3} size="h5">
          {t("refusedLines")}
        </Title>
        <Button
          variant="default"
          size="compact-sm"
          leftSection={<Download size={14} aria-hidden />}
          onClick={() => {
            const stop = new AbortController();
            void download(api, `/imports/${done.id}/refused.csv`, "refused.csv", stop.signal, () => undefined).catch(
              () => undefined,
            );
          }}
        >
          {t("refusedFile")}
        </Button>
      </Group>
      <div style={{ maxHeight: 320, overflow: "auto" }} tabIndex={0} role="region" aria-label={t("refusedLines")}>
        <Table stickyHeader>
          <Table.Thead>
            <Table.Tr>
              <Table.Th w={90}>{t("columns.line")}</Table.Th>
              <Table.Th>{t("columns.why")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {lines.map(({ line, code, reason }) => (
              <Table.Tr key={line}>
                <Table.Td>{format.number(line)}</Table.Td>
                <Table.Td>{wordsOf(code, reason || code)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
      {done.refusedListed > lines.length && lines.length > 0 && (
        <Text size="sm" c="dimmed">
          {t("firstOf", { shown: format.number(lines.length), total: format.number(done.refusedListed) })}
        </Text>
      )}
    </Stack>
  );
}

function NotTaken({ refused }: { refused: Refused }): ReactElement {
  const { t, i18n } = useTranslation("import");
  const known = i18n.exists(`import:files.${refused.code}`);
  return (
    <Alert color="red" icon={<CircleX aria-hidden />} role="alert" title={t("notTaken")}>
      {known ? t(`files.${refused.code}` as "files.EMPTY_FILE") : `${refused.message} (${refused.code})`}
    </Alert>
  );
}

function refusedIn(so: Import | null): number {
  return Object.values(so?.refused ?? {}).reduce((sum, count) => sum + count, 0);
}
