/** Recipients, contacts or numbers for the blacklist, out of a file. */

import { Alert, Button, Code, Group, Paper, Radio, Select, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { FileUp } from "lucide-react";
import { type DragEvent, type ReactElement, useEffect, useId, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useQuery } from "urql";
import { useApi } from "../api/api";
import { useViewer } from "../api/viewer";
import { ImportCampaignsDocument } from "../gql/graphql";
import { useFormat } from "../i18n/format";
import { firstLines } from "./preview";
import { type Run, RunCard } from "./run-card";
import { Refused, upload } from "./upload";

const TARGETS = ["recipients", "contacts", "blacklist"] as const;
type Target = (typeof TARGETS)[number];

export default function Import(): ReactElement {
  const { t } = useTranslation("import");
  const format = useFormat();
  const api = useApi();
  const viewer = useViewer();
  const [target, setTarget] = useState<Target>("recipients");
  const [campaign, setCampaign] = useState<string | null>(null);
  const [country, setCountry] = useState<string | null>(null);
  const [file, setFile] = useState<File | null>(null);
  const [lines, setLines] = useState<readonly string[]>([]);
  const [runs, setRuns] = useState<readonly Run[]>([]);
  const countries = useMemo(() => allCountries(format.country), [format]);

  useEffect(() => {
    setLines([]);
    if (!file) return;
    let over = false;
    void firstLines(file).then((found) => {
      if (!over) setLines(found);
    });
    return () => {
      over = true;
    };
  }, [file]);

  if (viewer.workspace !== null && !viewer.may("CAMPAIGNS_WRITE")) {
    return (
      <Stack>
        <Title order={1} size="h2">
          {t("title")}
        </Title>
        <Alert color="gray">{t("mayNot")}</Alert>
      </Stack>
    );
  }

  const path =
    target === "recipients" ? campaign && `/campaigns/${encodeURIComponent(campaign)}/recipients` : `/${target}`;

  function begin(): void {
    if (!file || !path) return;
    const stop = new AbortController();
    const id = crypto.randomUUID();
    const run: Run = {
      id,
      name: file.name,
      target,
      progress: { sent: 0, so: null, waiting: false },
      outcome: null,
      stop: () => stop.abort(),
    };
    const change = (part: Partial<Run>) =>
      setRuns((before) => before.map((one) => (one.id === id ? { ...one, ...part } : one)));
    setRuns((before) => [run, ...before]);
    const address = country ? `${path}?country=${country}` : path;
    upload(api, address, file, stop.signal, (progress) => change({ progress })).then(
      (done) => change({ outcome: { done } }),
      (error: unknown) => change({ outcome: error instanceof Refused ? { refused: error } : { stopped: true } }),
    );
    setFile(null);
  }

  return (
    <Stack gap="lg">
      <div>
        <Title order={1} size="h2">
          {t("title")}
        </Title>
        <Text c="dimmed" mt={4}>
          {t("means")}
        </Text>
      </div>
      <Paper withBorder p="lg">
        <Stack gap="lg">
          <Radio.Group label={t("target")} value={target} onChange={(value) => setTarget(value as Target)}>
            <SimpleGrid cols={{ base: 1, sm: 3 }} mt="xs">
              {TARGETS.map((one) => (
                <Radio.Card key={one} value={one} p="md" radius="md">
                  <Group wrap="nowrap" align="start">
                    <Radio.Indicator />
                    <div>
                      <Text fw={600}>{t(`targets.${one}`)}</Text>
                      <Text size="sm" c="dimmed">
                        {t(`targetsMean.${one}`)}
                      </Text>
                    </div>
                  </Group>
                </Radio.Card>
              ))}
            </SimpleGrid>
          </Radio.Group>
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            {target === "recipients" && <CampaignSelect value={campaign} onChange={setCampaign} />}
            <Select
              label={t("country")}
              description={t("countryMeans")}
              placeholder={t("countryNone")}
              data={countries}
              searchable
              clearable
              value={country}
              onChange={setCountry}
            />
          </SimpleGrid>
          <Drop file={file} choose={setFile} />
          {file && lines.length > 0 && (
            <div>
              <Text size="sm" fw={600} mb={4}>
                {t("preview")}
              </Text>
              <Code block tabIndex={0} style={{ maxHeight: 180, overflow: "auto" }} aria-label={t("preview")}>
                {lines.join("\n")}
              </Code>
            </div>
          )}
          <Group justify="end">
            <Button leftSection={<FileUp size={16} aria-hidden />} disabled={!file || !path} onClick={begin}>
              {t("begin")}
            </Button>
          </Group>
        </Stack>
      </Paper>
      {runs.map((run) => (
        <RunCard key={run.id} run={run} />
      ))}
    </Stack>
  );
}

function CampaignSelect({ value, onChange }: { value: string | null; onChange(id: string | null): void }): ReactElement {
  const { t } = useTranslation("import");
  const [typed, setTyped] = useState("");
  const [search] = useDebouncedValue(typed.trim(), 250);
  const [{ data }] = useQuery({ query: ImportCampaignsDocument, variables: search ? { search } : {} });
  const [chosen, setChosen] = useState<{ value: string; label: string } | null>(null);
  const found = (data?.campaigns.nodes ?? []).map(({ id, name }) => ({ value: id, label: name }));
  const options = chosen && !found.some((one) => one.value === chosen.value) ? [chosen, ...found] : found;
  return (
    <Select
      label={t("campaign")}
      description={t("campaignMeans")}
      placeholder={t("campaignNone")}
      data={options}
      searchable
      // What is found was found by the server.
      filter={({ options: all }) => all}
      searchValue={typed}
      onSearchChange={(text) => setTyped(text === chosen?.label ? "" : text)}
      value={value}
      onChange={(id, option) => {
        setChosen(id === null ? null : { value: id, label: option?.label ?? id });
        onChange(id);
      }}
    />
  );
}

function Drop({ file, choose }: { file: File | null; choose(file: File | null): void }): ReactElement {
  const { t } = useTranslation("import");
  const format = useFormat();
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const [over, setOver] = useState(false);

  function dropped(event: DragEvent): void {
    event.preventDefault();
    setOver(false);
    const [first] = event.dataTransfer.files;
    if (first) choose(first);
  }

  return (
    <Paper
      withBorder
      p="xl"
      style={{ borderStyle: "dashed", borderColor: over ? "var(--mantine-primary-color-filled)" : undefined }}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={dropped}
    >
      <Stack align="center" gap="xs">
        <input
          ref={input}
          id={id}
          type="file"
          className="visually-hidden"
          aria-label={t("file")}
          accept=".csv,.tsv,.txt,.ndjson,.jsonl,.gz"
          onChange={(event) => {
            choose(event.currentTarget.files?.[0] ?? null);
            // The same file may be chosen once more.
            event.currentTarget.value = "";
          }}
        />
        <Button variant="default" onClick={() => input.current?.click()} aria-describedby={`${id}-means`}>
          {t("choose")}
        </Button>
        <Text size="sm" c="dimmed" ta="center" id={`${id}-means`}>
          {file ? `${file.name} (${format.bytes(file.size)})` : t("fileMeans")}
        </Text>
      </Stack>
    </Paper>
  );
}

/** Every country that the browser has a name for. */
function allCountries(nameOf: (code: string) => string): { value: string; label: string }[] {
  const letters = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];
  return letters
    .flatMap((first) => letters.map((second) => first + second))
    .map((value) => ({ value, label: nameOf(value) }))
    .filter(({ value, label }) => label !== value && !RETIRED.has(value))
    .sort((one, other) => one.label.localeCompare(other.label));
}

/** Codes of what is no country, or not any more, and yet has a name. */
const RETIRED = new Set(
  "AC AN BU CS CT DD DY EU EZ FQ FX HV JT MI NH NQ NT PC PU PZ QO RH SU TP UK UN VD WK XA XB YD YU ZR ZZ".split(" "),
);
