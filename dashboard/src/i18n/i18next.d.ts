import "i18next";
import type common from "./locales/en/common.json";
import type history from "./locales/en/history.json";

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "common";
    returnNull: false;
    resources: {
      common: typeof common;
      history: typeof history;
    };
  }
}
