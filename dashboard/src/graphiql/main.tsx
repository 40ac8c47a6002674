import "graphiql/setup-workers/vite"; // first: the editor asks for its workers while it loads
import "graphiql/style.css";
import "./page.css";
import { GraphiQL } from "graphiql";
import { buildSchema } from "graphql";
import { createRoot } from "react-dom/client";
import sdl from "../../../schema.graphql?raw";
import { takeCredentials, type Credentials } from "./credentials";
import { fillExamples } from "./examples";
import { fetcher } from "./fetcher";
import { createStore } from "./storage";

// The server answers nothing without a key, not even introspection. With the schema built in,
// documentation, completion and error marks work before anyone typed one.
const schema = buildSchema(sdl);

const root = createRoot(document.getElementById("graphiql")!);
let opened = 0;

function open(credentials: Credentials): void {
  const examples = fillExamples(credentials);
  const first = examples[0]!;
  root.render(
    <GraphiQL
      key={++opened}
      fetcher={fetcher}
      schema={schema}
      storage={createStore()}
      defaultTabs={examples}
      // GraphiQL takes the query of the first tab out of defaultTabs, and forgets the rest of it.
      initialVariables={first.variables}
      initialHeaders={first.headers}
      defaultHeaders={first.headers}
      // No key yet: show where it belongs. A key that came with the link need not be on show.
      defaultEditorToolsVisibility={credentials.key === null ? "headers" : "variables"}
      shouldPersistHeaders={false}
      // Not the history plugin, the only one by default: it keeps every run's Authorization header
      // in localStorage, whatever shouldPersistHeaders says. The documentation is no plugin of this
      // list and stays.
      plugins={[]}
    >
      <GraphiQL.Logo>SMS delivery reports</GraphiQL.Logo>
    </GraphiQL>,
  );
}

open(takeCredentials());
// A second link pasted into the same tab changes only the fragment and loads nothing.
addEventListener("hashchange", () => {
  const credentials = takeCredentials();
  if (credentials.key !== null || credentials.campaign !== null) open(credentials);
});
