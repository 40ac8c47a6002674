import { defineConfig } from "vite";

const server = "http://127.0.0.1:8000";

/** What the dashboard is made of, and GraphiQL is not. */
const SHARED =
  /node_modules\/(@mantine|@floating-ui|react-remove-scroll|react-style-singleton|use-(callback-ref|sidecar)|@?urql|@0no-co|wonka|i18next|react-i18next|wouter|lucide-react|graphql-ws|clsx|tslib)|\/src\/(api|app|i18n|parts)\//;

export default defineConfig({
  build: {
    // Served by gql_server/pages.py: the dashboard at /, GraphiQL at /graphiql/, what both are made of at /assets/.
    outDir: "../gql_server/static",
    // Asked for by name, because the folder lies outside this one.
    emptyOutDir: true,
    target: "es2022",
    // GraphiQL's code editor alone has 2.8 MB.
    chunkSizeWarningLimit: 5000,
    // The policy of the pages lets nothing be loaded from a data: address but pictures.
    assetsInlineLimit: (path) => (path.endsWith(".svg") ? undefined : false),
    rolldownOptions: {
      input: { dashboard: "index.html", graphiql: "graphiql/index.html" },
      output: {
        codeSplitting: {
          // What most pages share comes in one piece: fifty small ones, each asked for by itself, are what takes time.
          groups: [{ name: "shared", test: SHARED, minShareCount: 3 }],
        },
      },
      onLog(level, log, next) {
        // A hundred libraries say "use client"; it means nothing here.
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") next(level, log);
      },
    },
  },
  worker: { format: "es" },
  // The editor's workers cannot be prebuilt for the development server: it serves the dashboard alone.
  optimizeDeps: { entries: ["index.html"] },
  // `npx vite` beside a running `make demo`: pages that follow every change.
  server: {
    proxy: {
      "/graphql": { target: server, ws: true },
      ...Object.fromEntries(
        ["/demo", "/campaigns", "/contacts", "/blacklist", "/imports"].map((path) => [path, server]),
      ),
    },
  },
});
