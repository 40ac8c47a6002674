import "./app/styles";
import { MantineProvider } from "@mantine/core";
import { StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import { takeBrought } from "./api/session";
import { App } from "./app/app";
import { readable, theme } from "./app/theme";
import { ahead } from "./app/pages";
import { begin } from "./i18n/i18n";

const brought = takeBrought();

await begin(ahead(location.hash));
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={readable} defaultColorScheme="auto">
      <Suspense>
        <App brought={brought} />
      </Suspense>
    </MantineProvider>
  </StrictMode>,
);
