/** Numbers and times as they are written in the language of the page. */

import { useTranslation } from "react-i18next";

export interface Format {
  /** 1,234,567 */
  number(value: number): string;
  /** At most two decimals: credits */
  amount(value: number): string;
  /** A rate of 0 to 1 as a percentage; what is not nothing never reads 0 %, and what is not all never 100 %. Null: –. */
  rate(value: number | null | undefined): string;
  /** 27 Nov 2026, 14:44 */
  time(at: string | Date): string;
  /** 14:44:09 */
  clock(at: string | Date): string;
  /** 27 Nov 2026, 14:44:09 */
  exact(at: string | Date): string;
  /** 1.2 MB */
  bytes(value: number): string;
  /** 27 Nov 2026 */
  date(at: string | Date): string;
  /** 14:44 */
  minute(at: Date): string;
  /** 27 Nov, of who looks or, as days are counted on the server, of UTC */
  day(at: Date, utc?: boolean): string;
  /** 3 minutes ago */
  ago(at: string | Date, now?: Date): string;
  /** Seconds: 4.2 s, 3 min, 5 h */
  duration(seconds: number): string;
  /** FR: France; the code where there is no name */
  country(code: string): string;
}

/** The region matters too: 11/27 or 27/11. A browser in en-GB that shows English is given en-GB. */
function localeOf(language: string): string {
  return navigator.languages.find((tag) => tag.split("-")[0] === language) ?? language;
}

export function createFormat(language: string): Format {
  const locale = localeOf(language);
  const number = new Intl.NumberFormat(locale);
  const amount = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
  const percent = new Intl.NumberFormat(locale, {
    style: "percent",
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
  });
  const whole = new Intl.NumberFormat(locale, { style: "percent" });
  const time = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  const exact = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });
  const clock = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
  const date = new Intl.DateTimeFormat(locale, { dateStyle: "medium" });
  const minute = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
  const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
  const utcDay = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", timeZone: "UTC" });
  const ago = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  const countries = new Intl.DisplayNames(locale, { type: "region", fallback: "code" });
  const unit = (value: number, of: string, digits = 0) =>
    new Intl.NumberFormat(locale, {
      style: "unit",
      unit: of,
      unitDisplay: "short",
      maximumFractionDigits: digits,
    }).format(value);

  return {
    number: (value) => number.format(value),
    amount: (value) => amount.format(value),
    rate(value) {
      if (value === null || value === undefined) return "–";
      if (value === 0 || value === 1) return whole.format(value);
      return percent.format(Math.min(0.999, Math.max(0.001, value)));
    },
    time: (at) => time.format(new Date(at)),
    exact: (at) => exact.format(new Date(at)),
    bytes: (value) =>
      value < 1e6 ? unit(value / 1e3, "kilobyte") : unit(value / 1e6, "megabyte", value < 1e7 ? 1 : 0),
    clock: (at) => clock.format(new Date(at)),
    date: (at) => date.format(new Date(at)),
    minute: (at) => minute.format(at),
    day: (at, utc = false) => (utc ? utcDay : day).format(at),
    ago(at, now = new Date()) {
      const seconds = (new Date(at).getTime() - now.getTime()) / 1000;
      const [value, of] =
        Math.abs(seconds) < 60
          ? [seconds, "second" as const]
          : Math.abs(seconds) < 3600
            ? [seconds / 60, "minute" as const]
            : Math.abs(seconds) < 86_400
              ? [seconds / 3600, "hour" as const]
              : [seconds / 86_400, "day" as const];
      return ago.format(Math.round(value), of);
    },
    duration(seconds) {
      if (seconds < 120) return unit(seconds, "second", seconds < 10 ? 1 : 0);
      if (seconds < 7200) return unit(seconds / 60, "minute");
      if (seconds < 172_800) return unit(seconds / 3600, "hour", 1);
      return unit(seconds / 86_400, "day", 1);
    },
    country(code) {
      try {
        return countries.of(code) ?? code;
      } catch {
        return code;
      }
    },
  };
}

const made = new Map<string, Format>();

/** One for each language, whoever asks: to make the formats takes longer than to use them a thousand times. */
export function useFormat(): Format {
  const { language } = useTranslation().i18n;
  const before = made.get(language);
  if (before) return before;
  const format = createFormat(language);
  made.set(language, format);
  return format;
}
