import { Anchor } from "@mantine/core";
import { print } from "@0no-co/graphql.web";
import { SquareTerminal } from "lucide-react";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import type { DocumentInput } from "urql";

type Variables = Readonly<Record<string, unknown>>;

interface Props {
  readonly document: DocumentInput<never, never> | DocumentInput;
  readonly variables?: Variables;
}

/** Leads to the same query in GraphiQL, with the same variables. The key goes along by the browser, not by the address. */
export function QueryLink({ document, variables = {} }: Props): ReactElement {
  const { t } = useTranslation();
  const query = typeof document === "string" ? document : print(document as never);
  const brought = new URLSearchParams({ query, variables: addressable(variables) });
  return (
    <Anchor href={`/graphiql/#${brought}`} size="sm" c="dimmed">
      <SquareTerminal size={14} aria-hidden style={{ verticalAlign: "-2px" }} /> {t("query")}
    </Anchor>
  );
}

const MAY_HOLD_A_NUMBER = ["search", "number"];

/**
 * What may stand in an address, which is copied and kept: no number that was searched for.
 *
 * A cursor can be read, and holds where it stands: at a number, in a list by numbers. So the link leads to a list's
 * beginning.
 */
function addressable({ after, before, last, ...others }: Variables): string {
  const variables = last === undefined ? others : { ...others, first: last };
  return JSON.stringify(
    variables,
    (name, value) => (MAY_HOLD_A_NUMBER.includes(name) ? undefined : value),
    2,
  );
}
