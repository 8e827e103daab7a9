import { defineConfig } from "vite";

const mock = process.env.GATEHOUSE_API ?? "http://127.0.0.1:8090";

export default defineConfig({
  // The CSP allows no data: scripts and no inline code, so nothing may be inlined.
  build: { outDir: "node_modules/.pages", emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: "es2022", cssMinify: true },
  worker: { format: "es" },
  server: { proxy: { "/api": mock, "/health": mock } },
});
