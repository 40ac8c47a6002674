import { defineConfig } from "vite";

export default defineConfig({
  // The Python server mounts the folder below at this path.
  base: "/graphiql/",
  build: {
    outDir: "../gql_server/static/graphiql",
    // Asked for by name, because the folder lies outside this one.
    emptyOutDir: true,
    target: "es2022",
    // The code editor alone has 2.8 MB.
    chunkSizeWarningLimit: 5000,
    rolldownOptions: {
      onLog(level, log, next) {
        // A hundred libraries say "use client"; it means nothing here.
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") next(level, log);
      },
    },
  },
  worker: { format: "es" },
});
