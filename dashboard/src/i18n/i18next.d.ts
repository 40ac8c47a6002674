import "i18next";
import type common from "./locales/en/common.json";
import type history from "./locales/en/history.json";
import type report from "./locales/en/report.json";
import type messages from "./locales/en/messages.json";
import type contacts from "./locales/en/contacts.json";
import type blacklist from "./locales/en/blacklist.json";
import type imports from "./locales/en/import.json";

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "common";
    returnNull: false;
    resources: {
      common: typeof common;
      history: typeof history;
      report: typeof report;
      messages: typeof messages;
      contacts: typeof contacts;
      blacklist: typeof blacklist;
      import: typeof imports;
    };
  }
}
