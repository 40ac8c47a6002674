/** What the server found wrong with what somebody typed, at the field where it belongs. */

import { useTranslation } from "react-i18next";

export interface UserError {
  readonly field: readonly string[];
  readonly code: string;
  readonly message: string;
}

const KNOWN = ["DUPLICATE_CONTACT", "ERASED_RECIPIENT", "INVALID_NUMBER", "NOT_FOUND", "REQUIRED", "TOO_LONG", "TOO_MANY"] as const;

/** The words for what is wrong at a field; null: nothing. `field` "" is what belongs to none of `fields`. */
export function useUserErrors(): (errors: readonly UserError[], field: string, fields?: readonly string[]) => string | null {
  const { t } = useTranslation();
  return (errors, field, fields = []) => {
    const found = errors.find((error) =>
      field === "" ? !error.field.some((part) => fields.includes(part)) : error.field.includes(field),
    );
    if (!found) return null;
    const known = KNOWN.find((code) => code === found.code);
    return known ? t(`userError.${known}`) : t("failure.other", { code: found.code, message: found.message });
  };
}
