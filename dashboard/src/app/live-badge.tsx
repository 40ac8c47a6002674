/** Says whether what the page shows is what the server has, and if not, of when it is. */

import { Badge, Tooltip } from "@mantine/core";
import { Radio, WifiOff } from "lucide-react";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { useLiveStatus } from "../api/api";
import { useFormat } from "../i18n/format";

export function LiveBadge(): ReactElement {
  const { t } = useTranslation();
  const format = useFormat();
  const { state, since, returns } = useLiveStatus();
  const [color, icon] =
    state === "live"
      ? ["teal", <Radio key="live" size={14} aria-hidden />]
      : state === "offline"
        ? ["red", <WifiOff key="offline" size={14} aria-hidden />]
        : ["gray", undefined];
  const clock = format.clock(since);
  const says =
    state === "offline"
      ? t("live.offlineSince", { clock })
      : state === "live" && returns > 0
        ? t("live.upToDateSince", { clock })
        : t(`live.${state}Means`);
  return (
    <Tooltip label={says} multiline maw={280} events={{ hover: true, focus: true, touch: true }}>
      <Badge
        variant="light"
        color={color}
        size="lg"
        leftSection={icon}
        role="status"
        tabIndex={0}
        tt="none"
        data-live={state}
        styles={{ label: { overflow: "visible" } }}
      >
        {t(`live.${state}`)}
        <span className="visually-hidden"> {says}</span>
      </Badge>
    </Tooltip>
  );
}
