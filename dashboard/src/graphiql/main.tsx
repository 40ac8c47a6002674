import "graphiql/setup-workers/vite"; // first: the editor asks for its workers while it loads
import "graphiql/style.css";
import "./page.css";
import { GraphiQL } from "graphiql";
import { buildSchema } from "graphql";
import { createRoot } from "react-dom/client";
import sdl from "../../../schema.graphql?raw";
import { kept, ofDemo } from "../api/session";
import { TABS } from "./examples";
import { examplesPanel } from "./examples-panel";
import { createFetcher } from "./fetcher";
import { historyPanel } from "./history-panel";
import { type Link, takeLink } from "./link";
import { remember } from "./runs";
import { createStore } from "./storage";
import { nameTabs } from "./tabs";
import { TransportMenu } from "./transport-menu";

// The server answers nothing without a key, not even introspection. With the schema built in,
// documentation, completion and error marks work before anyone typed one.
const schema = buildSchema(sdl);

const fetcher = createFetcher((document) => remember(document, schema));
const page = document.getElementById("graphiql")!;
const root = createRoot(page);
let opened = 0;

async function open({ campaign, query, variables, ...link }: Link): Promise<void> {
  const turn = ++opened;
  const key = link.key ?? kept() ?? (await ofDemo());
  if (turn !== opened) return; // another link came meanwhile
  const headers = JSON.stringify({ Authorization: `Bearer ${key ?? "PASTE-YOUR-KEY"}` }, null, 2);
  const examples = TABS.map((example) => ({
    query: example.query,
    variables: example.variables(campaign),
    headers,
  }));
  const tabs = query === null ? examples : [{ query, variables: variables ?? "{}", headers }, ...examples];
  root.render(
    <GraphiQL
      key={turn}
      fetcher={fetcher}
      schema={schema}
      storage={createStore()}
      defaultTabs={tabs}
      // GraphiQL takes the query of the first tab out of defaultTabs, and forgets the rest of it.
      initialVariables={tabs[0]!.variables}
      initialHeaders={headers}
      defaultHeaders={headers}
      // No key yet: show where it belongs. A key that is known need not be on show.
      defaultEditorToolsVisibility={key === null ? "headers" : "variables"}
      shouldPersistHeaders={false}
      // Not GraphiQL's own history, the only one by default: it keeps every run's Authorization header
      // in localStorage, whatever shouldPersistHeaders says. The documentation is no plugin of this
      // list and stays.
      plugins={[examplesPanel(campaign), historyPanel]}
    >
      <GraphiQL.Logo>
        <a href="/" title="To the dashboard">
          SMS delivery reports
        </a>
        {key === null && (
          <a href="/" className="sign-in">
            Sign in
          </a>
        )}
      </GraphiQL.Logo>
      <GraphiQL.Toolbar>
        {({ prettify, merge, copy }) => (
          <>
            {prettify}
            {merge}
            {copy}
            <TransportMenu />
          </>
        )}
      </GraphiQL.Toolbar>
    </GraphiQL>,
  );
}

nameTabs(page);
void open(takeLink());
// A second link pasted into the same tab changes only the fragment and loads nothing.
addEventListener("hashchange", () => {
  const link = takeLink();
  if (Object.values(link).some((brought) => brought !== null)) void open(link);
});
