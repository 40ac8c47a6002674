/** How somebody likes to see the page. */

import { ActionIcon, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { Languages, Moon, Sun } from "lucide-react";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { choose, LANGUAGES, type Language } from "../i18n/i18n";

/** The browser's own list: Mantine's menu would be a tenth of all that the report page may load. */
export function LanguageMenu(): ReactElement {
  const { t, i18n } = useTranslation();
  return (
    <ActionIcon component="label" variant="default" size="lg" className="language">
      <Languages size={18} aria-hidden />
      <select
        aria-label={t("preferences.language")}
        title={t("preferences.language")}
        value={i18n.language}
        onChange={(event) => choose(event.currentTarget.value as Language)}
      >
        {(Object.keys(LANGUAGES) as Language[]).map((language) => (
          <option key={language} value={language} lang={language}>
            {LANGUAGES[language]}
          </option>
        ))}
      </select>
    </ActionIcon>
  );
}

export function SchemeToggle(): ReactElement {
  const { t } = useTranslation();
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme("light") === "dark";
  return (
    <ActionIcon
      variant="default"
      size="lg"
      aria-label={t(dark ? "preferences.light" : "preferences.dark")}
      onClick={() => setColorScheme(dark ? "light" : "dark")}
    >
      {dark ? <Sun size={18} aria-hidden /> : <Moon size={18} aria-hidden />}
    </ActionIcon>
  );
}
