import { Title } from "@mantine/core";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { useParams } from "wouter";

export default function Report(): ReactElement {
  const { t } = useTranslation("report");
  const { id = "" } = useParams();
  return (
    <Title order={1}>
      {t("title")} {id}
    </Title>
  );
}
