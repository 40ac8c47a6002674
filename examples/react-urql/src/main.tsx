/** http://localhost:5173/#key=KEY&campaign=CAMPAIGN, and &server=https://... where that is another one. */

import { StrictMode, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import { Provider } from "urql";
import { createApi } from "./client";
import { Figures } from "./figures";
import type { Live } from "./live";
import { Messages } from "./messages";

// What is behind # is sent to no server.
const given = () => new URLSearchParams(location.hash.slice(1));
// Asked for again and again. An app of your own gets the token of whoever is signed in here, or has a key of the scope
// `reports:read`.
const key = async () => given().get("key") ?? "";
const campaign = given().get("campaign") ?? "";
const { client, live } = createApi(given().get("server") ?? "http://127.0.0.1:8000", key);
addEventListener("hashchange", () => location.reload());

/** Whether what the page shows is what there is. */
function LiveBadge({ live }: { live: Live }) {
  const state = useSyncExternalStore(live.watch, live.state);
  return <p role="status">{state}</p>;
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Provider value={client}>
      <LiveBadge live={live} />
      <Figures id={campaign} />
      <Messages id={campaign} />
    </Provider>
  </StrictMode>,
);
