import { readdirSync } from "node:fs";
import { defineConfig } from "vite";

// Node 20 cannot run TypeScript: the tests are bundled as they are, then run by `node --test`.
const entries = Object.fromEntries(
  readdirSync("tests")
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => [name.replace(/\.ts$/, ""), `tests/${name}`]),
);

export default defineConfig({
  publicDir: false,
  build: {
    ssr: true,
    outDir: "node_modules/.tests",
    emptyOutDir: true,
    minify: false,
    target: "node20",
    rolldownOptions: { input: entries, output: { entryFileNames: "[name].mjs" } },
  },
});
