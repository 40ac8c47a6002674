import { pick, useGraphiQL, useGraphiQLActions } from "@graphiql/react";

/** Opens a text in a tab of its own, with the headers of the tab that is open: who typed a key types it once. */
export function useNewTab(): (query: string, variables: string) => void {
  const { addTab, stop, updateActiveTabValues } = useGraphiQLActions();
  const editors = useGraphiQL(pick("queryEditor", "variableEditor", "headerEditor"));
  return (query, variables) => {
    const headers = editors.headerEditor?.getValue() ?? "";
    stop(); // else the events of the tab before would come into the new one
    addTab();
    editors.queryEditor?.setValue(query);
    editors.variableEditor?.setValue(variables);
    editors.headerEditor?.setValue(headers);
    updateActiveTabValues({ query, variables, headers });
  };
}
