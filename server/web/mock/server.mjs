// A development server that speaks the HTTP contract: `node mock/server.mjs --port 8090 --alarms 5000 --rate 0.2`.
// It serves the built pages under the product's own headers. It is not shipped and proves nothing about the server.

import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { history, makeAlarm, makeDevices, passes, points, random, reads } from "./data.mjs";

const { values: flags } = parseArgs({
  options: {
    port: { type: "string", default: "8090" },
    alarms: { type: "string", default: "5000" },
    devices: { type: "string", default: "84" },
    rate: { type: "string", default: "0" },
    role: { type: "string", default: "engineer" },
    static: { type: "string", default: new URL("../../static", import.meta.url).pathname },
    signedin: { type: "boolean", default: false },
  },
});

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; media-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types live";
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const next = random(42);
const epoch = "mock1";
const log = [];
const streams = new Set();
const devices = makeDevices(Number(flags.devices));
const alarms = new Map();
const journal = new Map();
const commands = new Map();
const state = { fail: false, mute: false, signedIn: flags.signedin, lastClosed: new Date(Date.now() - 7_260_000).toISOString() };
let seq = 1000;
let ids = 0;

const gateways = ["garden-mews", "lakeside"].flatMap((site) =>
  ["gw-a", "gw-b"].map((id, i) => ({
    q: 1,
    site,
    id,
    timezone: site === "lakeside" ? "Asia/Urumqi" : "Asia/Shanghai",
    online: !(site === "lakeside" && i === 1),
    last_seen_at: new Date(Date.now() - 3000).toISOString(),
    since: new Date(Date.now() - 9e6).toISOString(),
    clock: i ? "holdover" : "synced",
    config: `sha256:${"ab12".repeat(16)}`,
    versions: { gatehouse: "0.1.0" },
    lanes: { alarm: { first: 88, next: 88, bytes: 0, oldest_at: null }, billing: { first: 1201, next: 1204, bytes: 4200, oldest_at: new Date().toISOString() }, telemetry: { first: 90112, next: 90140, bytes: 812_000, oldest_at: new Date(Date.now() - 12_000).toISOString() } },
    free_disk: 24_300_000_000,
    devices: 42,
    offline: 3,
    why: site === "lakeside" && i === 1 ? "last will: connection lost" : "",
  })),
);

function change(alarm) {
  seq += 1;
  const whole = { ...alarm, q: seq };
  log.push(whole);
  if (whole.state === "closed") alarms.delete(whole.id);
  else alarms.set(whole.id, whole);
  send("alarms", [whole], `${epoch}-${seq}`);
  return whole;
}

function note(id, action, actor, text = "") {
  const list = journal.get(id) ?? [];
  list.push({ seq: list.length + 1, at: new Date().toISOString(), actor, action, from: null, to: null, note: text });
  journal.set(id, list);
}

function send(event, data, id = "") {
  if (state.mute) return;
  const text = `event: ${event}\n${id ? `id: ${id}\n` : ""}data: ${JSON.stringify(data)}\n\n`;
  for (const stream of streams) stream.write(text);
}

function raise(fresh = true) {
  ids += 1;
  const alarm = makeAlarm(ids, seq, Date.now(), next, devices, fresh);
  note(alarm.id, "raised", "");
  return change(alarm);
}

for (let i = 0; i < Number(flags.alarms); i += 1) {
  ids += 1;
  seq += 1;
  const alarm = makeAlarm(ids, seq, Date.now() - 700_000 - Math.floor(next() * 2.5e8), next, devices);
  alarms.set(alarm.id, alarm);
  note(alarm.id, "raised", "");
}

setInterval(() => send("hb", Date.now(), `${epoch}-${seq}`), 5000);
setInterval(() => {
  const meter = devices.find((device) => device.class === "meter");
  send("values", [[meter.site, meter.id, "power", new Date().toISOString(), (1.5 + next()).toFixed(3), "good"]]);
}, 1000);
if (Number(flags.rate) > 0) setInterval(() => raise(), 1000 / Number(flags.rate));

function json(request, response, status, body) {
  const text = Buffer.from(JSON.stringify(body));
  const zip = /gzip/.test(request.headers["accept-encoding"] ?? "");
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store", ...(zip ? { "content-encoding": "gzip" } : {}) });
  response.end(zip ? gzipSync(text) : text);
}

const failed = (request, response, status, code, message) => json(request, response, status, { error: { code, message, where: "" } });

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return parts.length ? JSON.parse(Buffer.concat(parts).toString()) : {};
}

function stream(request, response) {
  if (state.mute) return;
  const since = request.headers["last-event-id"] ?? new URL(request.url, "http://x").searchParams.get("since") ?? "";
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.write("retry: 1500\n: hello\n\n");
  const [, from] = /^(.*)-(\d+)$/.exec(since) ? since.split("-") : [null, "0"];
  const missed = log.filter((alarm) => alarm.q > Number(from));
  if (missed.length) response.write(`event: alarms\nid: ${epoch}-${seq}\ndata: ${JSON.stringify(missed)}\n\n`);
  response.write("event: live\ndata: {}\n\n");
  streams.add(response);
  request.on("close", () => streams.delete(response));
}

async function api(request, response, url) {
  const path = url.pathname.slice("/api/v1/".length);
  const method = request.method;
  const body = method === "POST" ? await bodyOf(request) : {};
  const ok = (answer) => json(request, response, 200, answer);
  if (state.fail) return failed(request, response, 500, "broken", "the mock was told to fail");
  if (path === "session" && method === "POST") {
    if (body.password !== "gatehouse-demo") return failed(request, response, 401, "credentials", "name or password is wrong");
    state.signedIn = true;
    return ok({ user: body.username, role: flags.role, must_change: false });
  }
  if (!state.signedIn) return failed(request, response, 401, "signed-out", "sign in");
  if (path === "session" && method === "DELETE") {
    state.signedIn = false;
    response.writeHead(204).end();
    return;
  }
  if (path === "session") return ok({ user: "wang.li", role: flags.role });
  if (path === "stream") return stream(request, response);
  if (path === "alarms") return ok({ cursor: `${epoch}-${seq}`, alarms: [...alarms.values()], last_closed_at: state.lastClosed });
  if (path === "alarms/history") return ok({ alarms: [...alarms.values()].slice(0, 200).map((a) => ({ ...a, closed_at: a.cleared_at })), next: null });
  if (path === "alarms/ack") {
    for (const id of body.ids) {
      note(id, "ack", "wang.li", body.note);
      change({ ...alarms.get(id), acked: true, state: "acked", acked_at: new Date().toISOString(), acked_by: "wang.li" });
    }
    return ok({ done: body.ids, refused: [] });
  }
  const one = /^alarms\/([^/]+)(?:\/(ack|close))?$/.exec(path);
  if (one) {
    const alarm = alarms.get(one[1]);
    if (!alarm) return failed(request, response, 404, "gone", "no such alarm");
    if (!one[2]) return ok({ alarm, journal: journal.get(one[1]) ?? [] });
    if (alarm.q !== body.q) return json(request, response, 409, { error: { code: "stale", message: "changed since", where: "q" }, alarm });
    note(one[1], one[2], "wang.li", body.note);
    const now = new Date().toISOString();
    return ok({ alarm: change(one[2] === "ack" ? { ...alarm, acked: true, state: alarm.condition === "active" ? "acked" : "latched", acked_at: now, acked_by: "wang.li" } : { ...alarm, state: "closed", closed_at: now }) });
  }
  if (path === "devices") return ok({ cursor: `${epoch}-${seq}`, gateways, devices });
  const device = /^devices\/([^/]+)\/([^/]+)(\/history)?$/.exec(path);
  if (device) {
    const found = devices.find((d) => d.site === device[1] && d.id === decodeURIComponent(device[2]));
    if (!found) return failed(request, response, 404, "gone", "no such device");
    if (device[3]) return ok({ point: url.searchParams.get("point"), unit: "kW", rows: history(Date.now()), thinned: true });
    return ok({ device: found, points: points(found, Date.now()), states: [{ at: new Date(Date.now() - 5e6).toISOString(), field: "conn", old: "offline", new: "online", cause: "answers again" }] });
  }
  if (/^gateways\/[^/]+\/delivery$/.test(path)) {
    const lane = (name, through, more = {}) => ({ epoch: "e7f3a19b", lane: name, current: true, stored_through: through, highest_seen: through, missing: [], missing_count: 0, more_missing: false, batches: through, items: through * 9, quarantined: 0, gaps: [], ...more });
    return ok({ site: "garden-mews", gateway: "gw-a", quarantined_payloads: 0, unknown_series: 0, lanes: [lane("alarm", 87), lane("billing", 1200, { quarantined: 3 }), lane("telemetry", 90111, { highest_seen: 90120, missing: [[90113, 90114], [90118, 90118]], missing_count: 3, gaps: [{ first: 400, last: 512, samples: 1100, reason: "the lane was full" }] })] });
  }
  if (path === "commands") {
    const command = { id: `c${commands.size + 1}`, state: "pending" };
    commands.set(command.id, { ...command, at: Date.now() });
    return ok({ command });
  }
  const command = commands.get(path.replace("commands/", ""));
  if (command) {
    const age = Date.now() - command.at;
    return ok({ command: { id: command.id, state: age > 1600 ? "done-verified" : age > 500 ? "sent" : "pending", read_back: age > 1600 ? { lock: true } : null } });
  }
  if (path === "records" || /^devices\/[^/]+\/[^/]+\/records$/.test(path)) return ok({ records: passes(devices, Date.now()), next: null });
  if (path === "meters/reads") return ok({ rows: reads(devices, url.searchParams, new Date()) });
  return failed(request, response, 404, "unknown", "no such call");
}

/** Levers for looking at states: POST /mock/{fail,mute,drop,flood,fire,signout,empty}. */
function lever(name, response) {
  if (name === "fail") state.fail = !state.fail;
  if (name === "mute") state.mute = !state.mute;
  if (name === "signout") state.signedIn = false;
  if (name === "drop" || name === "signout") for (const one of streams) one.destroy();
  if (name === "flood") for (let i = 0; i < 200; i += 1) raise();
  if (name === "one") raise();
  if (name === "empty") for (const alarm of [...alarms.values()]) change({ ...alarm, state: "closed", closed_at: new Date().toISOString() });
  response.writeHead(204).end();
}

function file(response, path) {
  const known = ["/", "/alarms", "/devices", "/records", "/reads", "/signin"].includes(path) || path.startsWith("/alarms/");
  const name = join(flags.static, known ? "index.html" : normalize(path));
  if (!name.startsWith(flags.static) || !existsSync(name)) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { "content-type": TYPES[extname(name)] ?? "application/octet-stream", "content-security-policy": CSP, "x-content-type-options": "nosniff", "cross-origin-opener-policy": "same-origin" });
  createReadStream(name).pipe(response);
}

createServer((request, response) => {
  const url = new URL(request.url, "http://mock");
  if (url.pathname.startsWith("/mock/")) lever(url.pathname.slice(6), response);
  else if (url.pathname.startsWith("/api/v1/")) api(request, response, url).catch((error) => failed(request, response, 500, "bug", String(error)));
  else file(response, url.pathname);
}).listen(Number(flags.port), "127.0.0.1", () => console.log(`mock on http://127.0.0.1:${flags.port}, password gatehouse-demo`));
