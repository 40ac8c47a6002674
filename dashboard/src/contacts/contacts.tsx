import { Title } from "@mantine/core";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

export default function Contacts(): ReactElement {
  const { t } = useTranslation("contacts");
  return <Title order={1}>{t("title")}</Title>;
}
