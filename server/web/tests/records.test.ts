import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../src/api/types";
import { matches, type Wanted } from "../src/records/match";

const entry: Entry = {
  id: "1", site: "s", gateway: "g", building: "A", floor: "1", place: "", device: "d", device_name: "Gate", code: "granted", class: "access_card",
  label: "Door opened", label_zh: "", part: "", number: "", detail: "", evidence: "", at: null,
  seen_at: "2026-03-01T12:00:00.000Z", stored_at: "2026-03-03T00:00:00.000Z", late: true,
};
const ANY: Wanted = { site: "", building: "", cls: "", device: "", from: null, to: null };

test("a record on the stream counts where the list would hold it, by the time it was seen", () => {
  assert.equal(matches(entry, ANY), true);
  for (const same of [{ site: "s" }, { building: "A" }, { cls: "access_card" }, { device: "d" }, { from: entry.seen_at }, { to: "2026-03-01T12:00:00.001Z" }])
    assert.equal(matches(entry, { ...ANY, ...same }), true, JSON.stringify(same));
  for (const other of [{ site: "t" }, { building: "B" }, { cls: "vehicle" }, { device: "e" }, { from: "2026-03-01T12:00:00.001Z" }, { to: entry.seen_at }])
    assert.equal(matches(entry, { ...ANY, ...other }), false, JSON.stringify(other));
});
