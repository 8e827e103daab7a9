import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

interface Schema {
  properties?: Record<string, unknown>;
}

const document = JSON.parse(readFileSync("../../docs/openapi.json", "utf8")) as { components: { schemas: Record<string, Schema> }; paths: Record<string, unknown> };
const source = readFileSync("src/api/types.ts", "utf8");

/** The fields of an interface that the page cannot do without. */
function fields(name: string): string[] {
  const body = new RegExp(`export interface ${name} \\{\\n([\\s\\S]*?)\\n\\}`).exec(source)?.[1];
  assert.ok(body, `types.ts has an interface ${name}`);
  return [...body.matchAll(/^ {2}(\w+)(\??):/gm)].map((field) => field[1] as string);
}

/** Ours to the server's name. */
const PAIRS: Record<string, string> = JSON.parse(readFileSync("tests/contract.json", "utf8")) as Record<string, string>;

test("every field that the pages read is one that the server documents", () => {
  for (const [ours, theirs] of Object.entries(PAIRS)) {
    const schema = document.components.schemas[theirs];
    assert.ok(schema?.properties, `the server documents ${theirs}`);
    const known = Object.keys(schema.properties);
    assert.deepEqual(fields(ours).filter((field) => !known.includes(field)), [], `${ours} against ${theirs}`);
  }
});

test("every call that the pages make is one that the server documents", () => {
  const calls = ["session", "session/password", "alarms", "alarms/history", "alarms/ack", "alarms/{alarm_id}", "alarms/{alarm_id}/ack", "alarms/{alarm_id}/close", "alarms/{alarm_id}/snapshot", "alarms/{alarm_id}/snapshots", "alarms/{alarm_id}/snapshots/{n}", "stream", "devices", "devices/{site}/{device}", "devices/{site}/{device}/history", "devices/{site}/{device}/records", "records", "commands", "commands/{command_id}", "gateways/{gateway}/delivery", "meters/reads", "gateways/{gateway}/lines", "gateways/{gateway}/tools", "gateways/{gateway}/tools/{job_id}", "gateways/{gateway}/tools/{job_id}/certificate", "gateways/{gateway}/config", "gateways/{gateway}/config/draft", "gateways/{gateway}/config/versions/{config}", "gateways/{gateway}/config/offers", "gateways/{gateway}/config/offers/{offer_id}"];
  const shape = (path: string) => path.replace(/\{\w+\}/g, "{}");
  const known = new Set(Object.keys(document.paths).map(shape));
  assert.deepEqual(calls.filter((call) => !known.has(shape(`/api/v1/${call}`))), []);
});
