import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ciede2000, contrast, DEFICIENCIES, lab, seen } from "./colour";

const css = readFileSync("src/styles/tokens.css", "utf8");
const block = (selector: string): string => css.slice(css.indexOf(selector)).split("}")[0] ?? "";
const token = (name: string, from = css): string => {
  const found = new RegExp(`--${name}:\\s*(#[0-9a-f]{6})`).exec(from);
  assert.ok(found, `--${name} is a colour`);
  return found[1] as string;
};

test("the formula agrees with published pairs", () => {
  const pairs = [
    [[50, 2.6772, -79.7751], [50, 0, -82.7485], 2.0425],
    [[50, -1.3802, -84.2814], [50, 0, -82.7485], 1.0],
    [[50, 2.5, 0], [73, 25, -18], 27.1492],
    [[50, 2.5, 0], [50, 3.2592, 0.335], 1.0],
    [[60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387], 1.2644],
    [[2.0776, 0.0795, -1.135], [0.9033, -0.0636, -0.5514], 0.9082],
  ] as const;
  for (const [a, b, wanted] of pairs) assert.ok(Math.abs(ciede2000(a, b) - wanted) < 1e-4, `${a} ${b}`);
});

test("no two severities look alike to anybody: CIEDE2000 of 15 at least", () => {
  const names = ["critical", "high", "medium", "low"];
  for (const [deficiency, matrix] of Object.entries(DEFICIENCIES)) {
    for (const a of names) {
      for (const b of names.slice(names.indexOf(a) + 1)) {
        const distance = ciede2000(lab(seen(token(a), matrix)), lab(seen(token(b), matrix)));
        assert.ok(distance >= 15, `${a} and ${b} for ${deficiency}: ${distance.toFixed(1)}`);
      }
    }
  }
});

test("text and focus stand out from every surface in both themes", () => {
  for (const selector of [':root[data-theme="dark"]', ':root[data-theme="light"]']) {
    const theme = block(selector);
    for (const surface of ["page", "pane", "raised", "selected", "hover"]) {
      const ground = token(surface, theme);
      assert.ok(contrast(token("text", theme), ground) >= 7, `text on ${surface} in ${selector}`);
      assert.ok(contrast(token("second", theme), ground) >= 4.5, `second ink on ${surface} in ${selector}: ${contrast(token("second", theme), ground).toFixed(2)}`);
      assert.ok(contrast(token("focus", theme), ground) >= 3, `focus on ${surface} in ${selector}`);
      assert.ok(contrast(token("edge", theme), ground) >= 3, `edge on ${surface} in ${selector}: ${contrast(token("edge", theme), ground).toFixed(2)}`);
    }
    assert.ok(contrast(token("lost-ink", theme), token("lost", theme)) >= 4.5);
  }
});

test("the number on every filled mark can be read", () => {
  for (const severity of ["critical", "high", "medium", "low"]) assert.ok(contrast(token("ink-on-mark"), token(severity)) >= 4.5, severity);
});
