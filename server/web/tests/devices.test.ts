import assert from "node:assert/strict";
import { test } from "node:test";
import type { Device, Gateway, Point } from "../src/api/types";
import { giveUpMs, outcomeWord, takesS } from "../src/devices/outcome";
import { seriesOf, summaryOf } from "../src/devices/series";
import { alarmsByDevice, build, flat, pruned, selectionOf } from "../src/devices/tree";
import { freshness } from "../src/devices/values";
import { may } from "../src/shell/roles";
import { older } from "../src/store/cursor";
import { lackOf } from "../src/ui/least";
import { alarm } from "./make";

const device = (given: Partial<Device>): Device =>
  ({ q: 1, site: "s", id: "d", gateway: "g", line: "l", name: "", building: "A", conn: "online", vendor: "", model: "", place: "", floor: "", class: "meter", meter: null, ...given }) as Device;
const gateway = (given: Partial<Gateway>): Gateway => ({ q: 1, site: "s", id: "g", online: true, lanes: {}, ...given }) as Gateway;

test("a command that takes its time is waited for, and for longer than the server waits", () => {
  const command = { id: "c", state: "sent", created_at: "2026-03-01T12:00:00.000Z", until: "2026-03-01T12:00:15.000Z", answer_by: "2026-03-01T12:02:15.000Z" };
  assert.equal(takesS(command), 120);
  assert.ok(giveUpMs(command) > 135_000 + 10_000);
  assert.equal(takesS({ ...command, answer_by: command.until }), 0);
  assert.equal(giveUpMs({ ...command, answer_by: command.until }), 90_000);
  assert.deepEqual([takesS({ id: "c", state: "sent" }), giveUpMs({ id: "c", state: "sent", answer_by: null })], [0, 90_000], "a server that does not tell");
});

test("what did not show in its time is not called failed", () => {
  const said = (state: string, detail = "") => outcomeWord({ id: "c", state, detail });
  assert.equal(said("failed", "not confirmed within 45 s: afterwards valve = 0"), "notconfirmed");
  assert.equal(said("done-unverified", "not confirmed within 45 s: the device took it, but the read-back failed: x"), "notconfirmed");
  assert.deepEqual([said("failed", "afterwards valve = 0"), said("refused"), said("done-verified")], ["failed.state", "refused", "done-verified"]);
});

test("a reason that is too short is told so, counted in characters as the server counts", () => {
  assert.deepEqual(lackOf("  ", 1), { have: 0, least: 1 });
  assert.deepEqual(lackOf(" 巡 ", 2), { have: 1, least: 2 });
  assert.deepEqual(lackOf("𠮷", 2), { have: 1, least: 2 });
  assert.equal(lackOf("巡检", 2), null);
  assert.equal(lackOf("x", 1), null);
});

test("every place says the worst of what is below it, and how many", () => {
  const devices = [device({ id: "d1" }), device({ id: "d2", conn: "offline" }), device({ id: "d3", building: "B" })];
  const open = alarmsByDevice([alarm({ device: "d1", severity: "low" }), alarm({ device: "d1", severity: "high", acked: true }), alarm({ device: "d2", severity: "medium" }), alarm({ device: "gone", severity: "critical" })]);
  const [site] = build(devices, [gateway({})], open);
  assert.ok(site);
  assert.deepEqual([site.worst, site.alarms, site.waiting, site.offline, site.total], ["high", 3, 2, 1, 3]);
  const rows = flat([site], () => true);
  assert.deepEqual(rows.map((node) => `${node.level}${node.kind}:${node.name}`), ["1site:s", "2building:A", "3gateway:g", "4line:l", "5device:d1", "5device:d2", "2building:B", "3gateway:g", "4line:l", "5device:d3"]);
  assert.equal(new Set(rows.map((node) => node.id)).size, rows.length, "each row has its own id");
  assert.equal(selectionOf(rows[4] as never), "device:s/d1");
});

test("a gateway without devices is seen, and its own alarms too", () => {
  const [site] = build([], [gateway({ id: "new" })], alarmsByDevice([alarm({ device: "new", severity: "high" })]));
  assert.deepEqual(flat(site ? [site] : [], () => true).map((node) => `${node.kind}:${node.name}:${node.worst}`), ["site:s:high", "gateway:new:high"]);
});

test("names are ordered as people count", () => {
  const tree = build(["m-10", "m-9", "m-1"].map((id) => device({ id })), [], new Map());
  assert.deepEqual(flat(tree, () => true).filter((node) => node.device).map((node) => node.name), ["m-1", "m-9", "m-10"]);
});

test("a search keeps the matches and the way to them", () => {
  const tree = build([device({ id: "d1", model: "SDM630" }), device({ id: "d2", building: "B", conn: "offline" })], [], new Map());
  const names = (text: string, trouble = false) => flat(pruned(tree, text, trouble), () => true).map((node) => node.name).join(" ");
  assert.equal(names("sdm"), "s A g l d1");
  assert.equal(names("", true), "s B g l d2");
  assert.equal(names("nothing like it"), "");
  assert.equal(names("B"), "s B g l d2", "a building brings what is in it");
});

const point = (given: Partial<Point>): Point => ({ id: "p", value: "1", quality: "good", at: "2026-03-01T00:00:00.000Z", period_s: 10, ...given }) as Point;

test("an old value is never shown as now", () => {
  const at = Date.parse("2026-03-01T00:00:00.000Z");
  assert.equal(freshness(point({}), at + 30_000), "fresh");
  assert.equal(freshness(point({}), at + 30_001), "stale");
  assert.equal(freshness(point({ period_s: 60 }), at + 180_000), "fresh");
  assert.equal(freshness(point({ quality: "uncertain.clock" }), at), "stale");
  assert.equal(freshness(point({ quality: "bad.timeout" }), at), "unknown");
  assert.equal(freshness(point({ value: null }), at), "unknown");
  assert.equal(freshness(point({ value: false }), at), "fresh", "false is a value");
});

test("what is unknown is a hole in the line", () => {
  const rows: [number, string | boolean | null, string | null][] = [[0, "1.5", "good"], [10_000, null, "bad.timeout"], [20_000, "2", "good"], [200_000, "3", "good"]];
  assert.deepEqual(seriesOf(rows, 10).y, [1.5, null, 2, null, 3]);
  assert.deepEqual(summaryOf(rows), { min: "1.5", max: "3", last: "3" });
  assert.equal(summaryOf([[0, null, "bad.comm"]]), null);
});

test("roles include the ones before; a biller does not acknowledge", () => {
  assert.deepEqual((["viewer", "guard", "engineer", "biller", "admin"] as const).map((role) => may(role, "guard")), [false, true, true, false, true]);
  assert.equal(may("biller", "viewer"), true);
  assert.equal(may("guard", "engineer"), false);
});

test("the stream begins at the older of two cursors", () => {
  assert.equal(older("e-9", "e-12"), "e-9");
  assert.equal(older("e-12", "e-9"), "e-9");
  assert.equal(older("e1-12", "e2-9"), "e1-12", "another epoch is answered by a reset");
  assert.equal(older("odd", "e-1"), "odd");
});
