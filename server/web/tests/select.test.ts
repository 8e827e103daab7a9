import assert from "node:assert/strict";
import { test } from "node:test";
import { filtersOf, toggled } from "../src/alarms/address";
import { commandOf } from "../src/alarms/keymap";
import { BULK_LIMIT, bulkPlan, counts, grouped, NO_FILTERS, nextOpen, PARTS_ALONE, recent, select, ungrouped, whyNotClosed, within } from "../src/alarms/select";
import type { Alarm } from "../src/api/types";
import { alarm, random } from "./make";

const ids = (list: Alarm[]) => list.map((one) => one.id).join(" ");

test("most urgent first: severity, then fire, then not acknowledged, then newest", () => {
  const list = [
    alarm({ id: "low", severity: "low", raised_at: "2026-03-01T09:00:00.000Z" }),
    alarm({ id: "door", severity: "critical", raised_at: "2026-03-01T08:00:00.000Z" }),
    alarm({ id: "seen", severity: "critical", acked: true, state: "acked", raised_at: "2026-03-01T08:30:00.000Z" }),
    alarm({ id: "fire", severity: "critical", class: "fire", raised_at: "2026-03-01T01:00:00.000Z" }),
    alarm({ id: "high", severity: "high" }),
  ];
  assert.equal(ids(select(list, NO_FILTERS)), "fire door seen high low");
  assert.equal(ids(select(list, { ...NO_FILTERS, sort: "newest" })), "low seen door fire high");
});

test("of those raised together the one with the higher number is the newer, however many digits it has", () => {
  assert.equal(ids(select([alarm({ id: "99" }), alarm({ id: "101" }), alarm({ id: "100" })], NO_FILTERS)), "101 100 99");
});

test("a severity that this page does not know is treated as high, never lost", () => {
  const odd = alarm({ severity: "purple" as never });
  assert.equal(select([odd], NO_FILTERS).length, 1);
  assert.equal(counts([odd]).high, 1);
});

test("filters narrow; what is behind a silent gateway is shown only when asked for", () => {
  const list = [alarm({ id: "a", device_name: "Main door" }), alarm({ id: "b", site: "t", class: "lift", label_zh: "电梯困人" }), alarm({ id: "c", suppressed_by: "9" })];
  assert.equal(ids(within(list, NO_FILTERS)), "a b");
  assert.equal(ids(within(list, { ...NO_FILTERS, state: "suppressed" })), "c");
  assert.equal(ids(within(list, { ...NO_FILTERS, text: "MAIN do" })), "a");
  assert.equal(ids(within(list, { ...NO_FILTERS, text: "困人" })), "b");
  assert.equal(ids(within(list, { ...NO_FILTERS, site: "t", cls: "lift" })), "b");
  assert.equal(ids(within(list, { ...NO_FILTERS, state: "acked" })), "");
});

test("counts are of what nobody has acknowledged", () => {
  assert.deepEqual(counts([alarm(), alarm({ acked: true }), alarm({ severity: "low" })]), { critical: 0, high: 1, medium: 0, low: 1 });
});

test("groups hold each alarm once; critical and fire stand alone", () => {
  const next = random(3);
  const pick = <T>(values: readonly T[]) => values[Math.floor(next() * values.length)] as T;
  const list = Array.from({ length: 500 }, (_, n) =>
    alarm({ id: String(n), severity: pick(["critical", "high", "low"] as const), class: pick(["fire", "fire_fault", "lift"]), building: pick(["A", "B"]), code: pick(["x", "y"]) }),
  );
  const rows = grouped(select(list, NO_FILTERS), new Set());
  const inside = rows.flatMap((row) => (row.members.length > 0 ? row.members : [row.id]));
  assert.equal(inside.length, 500);
  assert.equal(new Set(inside).size, 500);
  for (const row of rows) {
    if (row.alarm.severity === "critical" || row.alarm.class.startsWith("fire")) assert.equal(row.members.length, 0);
  }
  const first = rows.findIndex((row) => row.alarm.severity !== "critical");
  assert.equal(rows.slice(first).some((row) => row.alarm.severity === "critical"), false, "critical on top");
  const group = rows.find((row) => row.members.length > 0);
  assert.ok(group);
  assert.equal(grouped(select(list, NO_FILTERS), new Set([group.id])).length, rows.length + group.members.length);
});

test("a crowd of parts of one device is one row that tells the first; a few stand alone, and other alarms are not hidden", () => {
  const at = (n: number) => new Date(Date.parse("2026-03-01T00:00:00.000Z") + n * 1000).toISOString();
  const part = (n: number, device = "fire-1") => alarm({ id: `${100 + n}`, device, code: "fire", class: "fire", severity: "critical", part: `1/1/${n}`, raised_at: at(n) });
  const crowd = Array.from({ length: 500 }, (_, n) => part(n));
  const trapped = alarm({ id: "9", class: "lift", severity: "critical" });
  const few = Array.from({ length: PARTS_ALONE }, (_, n) => part(600 + n, "fire-2"));
  const rows = grouped(select([...crowd, trapped, ...few], NO_FILTERS), new Set());
  assert.equal(rows.length, PARTS_ALONE + 2);
  const head = rows.find((row) => row.members.length > 0);
  assert.equal(head?.members.length, 500);
  assert.equal(head?.first, "1/1/0");
  assert.equal(rows.at(-1)?.id, "9", "fire above all, and the lift in sight below");
  assert.equal(grouped(select([...crowd, trapped], NO_FILTERS), new Set([head?.id ?? ""])).length, 502);
  assert.equal(bulkPlan(crowd).ids.length, 0, "and still acknowledged one by one");
});

test("what stands is closed by hand only where its device may never say the end, and once somebody has it", () => {
  const acked = { acked: true, state: "acked" as const };
  assert.equal(whyNotClosed(alarm(acked)), "detail.activehelp");
  assert.equal(whyNotClosed(alarm({ by_hand: true })), "detail.ackfirst");
  assert.equal(whyNotClosed(alarm({ ...acked, by_hand: true })), null);
  assert.equal(whyNotClosed(alarm({ ...acked, condition: "normal" })), null);
});

test("a part is found by its address", () => {
  const list = [alarm({ id: "a", part: "1/1/42/65537" }), alarm({ id: "b", part: "1/1/43/65537" })];
  assert.equal(ids(within(list, { ...NO_FILTERS, text: "1/42/" })), "a");
});

test("a bulk step never takes critical or fire alarms, nor more than 500", () => {
  const list = [
    ...Array.from({ length: 620 }, (_, n) => alarm({ id: `h${n}` })),
    alarm({ id: "crit", severity: "critical" }),
    alarm({ id: "fault", severity: "low", class: "fire_fault" }),
    alarm({ id: "done", acked: true }),
  ];
  const plan = bulkPlan(list);
  assert.equal(plan.ids.length, BULK_LIMIT);
  assert.deepEqual({ ...plan, ids: [] }, { ids: [], critical: 2, done: 1, over: 120 });
  assert.equal(plan.ids.includes("crit") || plan.ids.includes("fault"), false);
});

test("the next one that nobody has acknowledged, around the end", () => {
  const rows = ungrouped([alarm({ id: "a" }), alarm({ id: "b", acked: true }), alarm({ id: "c", acked: true })]);
  assert.equal(nextOpen(rows, 0), 0);
  assert.equal(nextOpen(rows, 1), 0);
  assert.equal(nextOpen(ungrouped([alarm({ acked: true })]), 0), -1);
});

test("a flood is counted over ten minutes", () => {
  const now = Date.parse("2026-03-01T00:10:00.000Z");
  assert.equal(recent([alarm(), alarm({ raised_at: "2026-02-28T23:59:59.000Z" }), alarm({ suppressed_by: "1" })], now), 1);
});

test("filters survive the way through the address, and nonsense does no harm", () => {
  const filters = filtersOf(new URLSearchParams("sev=1,3&site=s&state=cleared&q=door&sort=newest&group=1"));
  assert.deepEqual(filters, { ...NO_FILTERS, severities: ["critical", "medium"], site: "s", state: "cleared", text: "door", sort: "newest", group: true });
  assert.deepEqual(filtersOf(new URLSearchParams("sev=9,x&state=evil&sort=up&group=yes")), NO_FILTERS);
  assert.deepEqual(toggled(filters, "critical"), { sev: "3" });
  assert.deepEqual(toggled(filters, "low"), { sev: "1,3,4" });
});

test("keys mean something only where they should", () => {
  assert.deepEqual(commandOf("j", "grid", true), { do: "move", by: 1 });
  assert.equal(commandOf("j", "grid", false), null, "one-letter keys can be off");
  assert.deepEqual(commandOf("ArrowDown", "grid", false), { do: "move", by: 1 });
  assert.equal(commandOf("a", "field", true), null, "typing is typing");
  assert.equal(commandOf(" ", "other", true), null, "a button keeps its space bar");
  assert.deepEqual(commandOf("Escape", "field", false), { do: "clear" });
  assert.equal(commandOf("constructor", "grid", true), null);
});
