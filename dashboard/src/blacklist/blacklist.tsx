import { Title } from "@mantine/core";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

export default function Blacklist(): ReactElement {
  const { t } = useTranslation("blacklist");
  return <Title order={1}>{t("title")}</Title>;
}
