import { Button, type GraphiQLPlugin, HistoryIcon } from "@graphiql/react";
import { parse } from "graphql";
import { type ReactElement, useMemo, useSyncExternalStore } from "react";
import { Entry } from "./entry";
import { useNewTab } from "./new-tab";
import { forgetRuns, keptRuns, read, type Run, watchRuns } from "./runs";

/** What was run in this browser, to be opened again. */
export const historyPanel: GraphiQLPlugin = {
  title: "History",
  icon: HistoryIcon,
  content: History,
};

function History(): ReactElement {
  const kept = useSyncExternalStore(watchRuns, keptRuns);
  const runs = useMemo(() => read(kept), [kept]);
  const open = useNewTab();
  return (
    <section className="panel" aria-label="History">
      <header>
        <h2>History</h2>
        {runs.length > 0 && (
          <Button type="button" onClick={forgetRuns}>
            Clear
          </Button>
        )}
      </header>
      <p>
        {runs.length > 0
          ? "Kept in this browser, without variables, headers and texts."
          : "What you run will be listed here, without variables, headers and texts."}
      </p>
      <ul>
        {runs.map((run) => (
          <Entry key={run.text} text={run.text} name={nameOf(run)} open={() => open(run.text, "{}")}>
            <time dateTime={run.at}>{new Date(run.at).toLocaleString()}</time>
          </Entry>
        ))}
      </ul>
    </section>
  );
}

/** What an operation calls itself, or the first field that it asks for. */
function nameOf({ text }: Run): string {
  for (const definition of parse(text, { noLocation: true }).definitions) {
    if (definition.kind !== "OperationDefinition") continue;
    const [first] = definition.selectionSet.selections;
    return definition.name?.value ?? (first && "name" in first ? first.name.value : "…");
  }
  return "…";
}
