import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

test("every page of the menu is one that the server serves", () => {
  const ours = [...readFileSync("src/shell/pages.tsx", "utf8").matchAll(/path: "(\/\w+)"/g)].map((found) => found[1] as string);
  const served = /^PAGES = \(([^)]*)\)/m.exec(readFileSync("../api/pages.py", "utf8"))?.[1] ?? "";
  assert.ok(ours.length >= 3);
  assert.deepEqual(ours.filter((path) => !served.includes(`"${path}"`)), []);
});
