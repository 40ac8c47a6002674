import { Button, CloseButton, Group, Loader, Menu, Text } from "@mantine/core";
import { Download } from "lucide-react";
import { type ReactElement, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useApi } from "../api/api";
import { useFormat } from "../i18n/format";
import { download, DownloadFailed, type Progress } from "./download";
import { useFailureText } from "./failure";

const FORMS = ["csv", "xlsx", "ndjson"] as const;
type Form = (typeof FORMS)[number];

interface Props {
  /** The address without the ending: /contacts */
  readonly path: string;
  readonly parameters?: URLSearchParams;
  /** The file's name without the ending. */
  readonly name: string;
}

/** What is shown, as a file: for Excel, as CSV or as NDJSON. */
export function ExportMenu({ path, parameters, name }: Props): ReactElement {
  const { t } = useTranslation();
  const format = useFormat();
  const api = useApi();
  const text = useFailureText();
  const [progress, setProgress] = useState<Progress | null>(null);
  const [outcome, setOutcome] = useState<{ readonly good: boolean; readonly text: string } | null>(null);
  const given = useRef<AbortController | null>(null);

  async function save(form: Form): Promise<void> {
    const stop = new AbortController();
    given.current = stop;
    setOutcome(null);
    const query = parameters?.toString();
    let shownAt = 0;
    try {
      await download(
        api,
        `${path}.${form}${query ? `?${query}` : ""}`,
        `${name.replaceAll(/[^\p{L}\p{N}._-]+/gu, "-")}.${form}`,
        stop.signal,
        (so) => {
          if (performance.now() - shownAt < 250) return;
          shownAt = performance.now();
          setProgress(so);
        },
      );
      setOutcome({ good: true, text: t("export.done") });
    } catch (error) {
      if (error instanceof DownloadFailed) {
        setOutcome({ good: false, text: error.failure.code === "CUT" ? t("export.cut") : text(error.failure) });
      } else if (!(error instanceof DOMException && error.name === "AbortError")) {
        throw error;
      }
    } finally {
      given.current = null;
      setProgress(null);
    }
  }

  if (progress) {
    return (
      <Group gap="xs" role="status">
        <Loader size="xs" />
        <Text size="sm">
          {progress.rows === null
            ? t("export.size", { size: format.bytes(progress.bytes) })
            : t("export.sizeOf", { size: format.bytes(progress.bytes), rows: format.number(progress.rows) })}
        </Text>
        <CloseButton size="sm" aria-label={t("export.stop")} onClick={() => given.current?.abort()} />
      </Group>
    );
  }
  return (
    <Group gap="sm">
      {outcome && (
        <Text size="sm" maw={320} role="status" c={outcome.good ? "dimmed" : "var(--mantine-color-error)"}>
          {outcome.text}
        </Text>
      )}
      <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="default" leftSection={<Download size={16} aria-hidden />}>
          {t("export.name")}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {FORMS.map((form) => (
          <Menu.Item key={form} onClick={() => void save(form)}>
            {t(`export.${form}`)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
      </Menu>
    </Group>
  );
}
