import type { GraphiQLPlugin } from "@graphiql/react";
import { LibraryBig } from "lucide-react";
import type { ReactElement } from "react";
import { Entry } from "./entry";
import { THEMES } from "./examples";
import { useNewTab } from "./new-tab";

/** Everything that the API offers, by theme, to be opened with the campaign filled in where it is known. */
export function examplesPanel(campaign: string | null): GraphiQLPlugin {
  function Examples(): ReactElement {
    const open = useNewTab();
    return (
      <section className="panel" aria-label="Examples">
        <header>
          <h2>Examples</h2>
        </header>
        {THEMES.map(({ theme, examples }) => (
          <section key={theme} aria-label={theme}>
            <h3>{theme}</h3>
            <ul>
              {examples.map((example) => (
                <Entry
                  key={example.name}
                  name={example.name}
                  text={example.query}
                  open={() => open(example.query, example.variables(campaign))}
                >
                  {example.sentence}
                </Entry>
              ))}
            </ul>
          </section>
        ))}
      </section>
    );
  }
  return { title: "Examples", icon: LibraryBig, content: Examples };
}
