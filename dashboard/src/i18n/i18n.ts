/**
 * The page's languages. The words of each part of the page are a file of their own for each language, loaded with it.
 *
 * English is what the others are measured by: its files are the types of the keys, and a test compares the others.
 */

import i18next, { type BackendModule, type ReadCallback } from "i18next";
import { initReactI18next } from "react-i18next";

export const LANGUAGES = { en: "English", fr: "Français", es: "Español", it: "Italiano", de: "Deutsch" };
export type Language = keyof typeof LANGUAGES;

const NAME = "sms-delivery-reports:language";
const files = import.meta.glob<{ default: Record<string, unknown> }>("./locales/*/*.json");

const backend: BackendModule = {
  type: "backend",
  init() {},
  read(language: string, namespace: string, done: ReadCallback) {
    const load = files[`./locales/${language}/${namespace}.json`];
    if (!load) return done(new Error(`no words for ${namespace} in ${language}`), false);
    load().then(
      (file) => done(null, file.default),
      (error: Error) => done(error, true),
    );
  },
};

/** What was chosen here before, or the first of the browser's languages that there is. */
function preferred(): Language {
  let chosen: string | null = null;
  try {
    chosen = localStorage.getItem(NAME);
  } catch {
    // A browser that blocks storage: ask it every time.
  }
  const wanted = [chosen, ...navigator.languages].map((tag) => tag?.split("-")[0]);
  return (wanted.find((tag) => tag !== undefined && tag in LANGUAGES) ?? "en") as Language;
}

export function choose(language: Language): void {
  try {
    localStorage.setItem(NAME, language);
  } catch {
    // Then it holds for this visit.
  }
  void i18next.changeLanguage(language);
}

i18next.on("languageChanged", (language) => {
  document.documentElement.lang = language;
});

/** @param words the parts that are shown first */
export async function begin(words: readonly string[]): Promise<void> {
  await i18next
    .use(backend)
    .use(initReactI18next)
    .init({
      lng: preferred(),
      fallbackLng: false,
      supportedLngs: Object.keys(LANGUAGES),
      ns: ["common", ...words],
      defaultNS: "common",
      interpolation: { escapeValue: false }, // React does
      returnNull: false,
    });
}
