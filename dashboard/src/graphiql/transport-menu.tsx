import { ToolbarMenu } from "@graphiql/react";
import { type ReactElement, useState } from "react";
import { chooseTransport, type Transport, transport, TRANSPORTS } from "./transport";

/** Says what subscriptions go over, and changes it. */
export function TransportMenu(): ReactElement {
  const [chosen, setChosen] = useState(transport);
  // What is read on the button is part of its name: who speaks to the browser says "click SSE".
  const label = `${chosen.toUpperCase()}: what subscriptions go over (${TRANSPORTS[chosen]})`;
  return (
    <ToolbarMenu
      button={
        <button type="button" className="graphiql-un-styled transport" aria-label={label} title={label}>
          {chosen.toUpperCase()}
        </button>
      }
    >
      {(Object.keys(TRANSPORTS) as Transport[]).map((one) => (
        <ToolbarMenu.Item
          key={one}
          aria-current={one === chosen}
          onSelect={() => {
            chooseTransport(one);
            setChosen(one);
          }}
        >
          {one === chosen ? "✓ " : ""}
          {TRANSPORTS[one]}
        </ToolbarMenu.Item>
      ))}
    </ToolbarMenu>
  );
}
