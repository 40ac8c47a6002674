import { Anchor } from "@mantine/core";
import { print } from "@0no-co/graphql.web";
import { SquareTerminal } from "lucide-react";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import type { DocumentInput } from "urql";

interface Props {
  readonly document: DocumentInput<never, never> | DocumentInput;
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** Leads to the same query in GraphiQL, with the same variables. The key goes along by the browser, not by the address. */
export function QueryLink({ document, variables = {} }: Props): ReactElement {
  const { t } = useTranslation();
  const query = typeof document === "string" ? document : print(document as never);
  const brought = new URLSearchParams({ query, variables: JSON.stringify(variables, null, 2) });
  return (
    <Anchor href={`/graphiql/#${brought}`} size="sm" c="dimmed">
      <SquareTerminal size={14} aria-hidden style={{ verticalAlign: "-2px" }} /> {t("query")}
    </Anchor>
  );
}
