import "./app/styles";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import { takeBrought } from "./api/session";
import { App } from "./app/app";
import { readable, theme } from "./app/theme";
import { ready } from "./i18n/i18n";

const brought = takeBrought();

await ready;
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={readable} defaultColorScheme="auto">
      <Notifications position="bottom-center" />
      <Suspense>
        <App brought={brought} />
      </Suspense>
    </MantineProvider>
  </StrictMode>,
);
