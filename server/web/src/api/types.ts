/** The HTTP contract as the pages read it (docs/architecture.md, "The HTTP contract"). */

export type Role = "viewer" | "guard" | "engineer" | "biller" | "admin";
export type Severity = "critical" | "high" | "medium" | "low";
export type AlarmState = "new" | "acked" | "cleared" | "latched" | "closed";

export interface Session {
  user: string;
  role: Role;
  must_change?: boolean;
  /** Of sites whose gateways have not told theirs. */
  timezone?: string;
}

export interface Alarm {
  id: string;
  q: number;
  key: string;
  site: string;
  gateway: string;
  building: string;
  floor: string;
  place: string;
  device: string;
  device_name: string;
  /** What of the device is concerned, in the device's words; empty: the whole of it. */
  part: string;
  /** Its device may never say the end: somebody closes it who has looked. */
  by_hand: boolean;
  code: string;
  class: string;
  severity: Severity;
  label: string;
  label_zh: string;
  condition: "active" | "normal";
  acked: boolean;
  latched: boolean;
  state: AlarmState;
  occurred_at: string | null;
  raised_at: string;
  cleared_at: string | null;
  acked_at: string | null;
  acked_by: string | null;
  closed_at: string | null;
  count: number;
  late: boolean;
  test: boolean;
  detail: string;
  evidence: string;
  suppressed_by: string | null;
}

/** A picture that somebody had fetched for an alarm. */
export interface Picture {
  n: number;
  of: "now" | "moment";
  state: "pending" | "kept" | "failed";
  by: string;
  asked_at: string;
  taken_at: string | null;
  why: string;
}

export interface JournalEntry {
  seq: number;
  at: string;
  actor: string;
  action: string;
  from: string | null;
  to: string | null;
  note: string;
}

/** What happened and is no alarm: a card, a car that drove in. It never changes. */
export interface Entry {
  id: string;
  site: string;
  gateway: string;
  device: string;
  device_name: string;
  building: string;
  floor: string;
  place: string;
  code: string;
  class: string;
  label: string;
  label_zh: string;
  part: string;
  number: string;
  detail: string;
  evidence: string;
  /** By the device's own clock, where it told it. */
  at: string | null;
  /** By its gateway's clock. */
  seen_at: string;
  stored_at: string;
  late: boolean;
}

export interface Entries {
  records: Entry[];
  next: string | null;
}

export interface AlarmSnapshot {
  cursor: string;
  alarms: Alarm[];
  last_closed_at: string | null;
}

export interface BulkResult {
  done: (string | number)[];
  refused: { id: string | number; code: string; why: string }[];
}

export type Conn = "unknown" | "online" | "offline" | "unreachable";

export interface Action {
  id: string;
  label: string;
  label_zh: string;
}

export interface Device {
  q: number;
  site: string;
  id: string;
  gateway: string;
  line: string;
  unit: number | null;
  /** In the words of its protocol: how it names itself. */
  address: string;
  /** Unasked: it has no turns on a line that is polled. */
  speaks: boolean;
  /** After so many seconds without a word it is silent; null: never, or it is polled. */
  heard_within_s: number | null;
  name: string;
  class: string;
  vendor: string;
  model: string;
  building: string;
  floor: string;
  place: string;
  conn: Conn;
  lifecycle: string;
  last_seen_at: string | null;
  silent_since: string | null;
  open_alarms: number;
  worst: Severity | null;
  meter: { metering_point: string; multiplier: string; reader: string; serial: string } | null;
  actions: Action[];
}

export type PointValue = string | boolean | null;

export interface Point {
  id: string;
  label: string;
  label_zh: string;
  unit: string;
  kind: string;
  billing: boolean;
  period_s: number | null;
  value: PointValue;
  quality: string | null;
  at: string | null;
  age_s: number | null;
  clock: string | null;
}

export interface Lane {
  first: number;
  next: number;
  bytes?: number;
  oldest_at?: string | null;
}

export interface Gateway {
  q: number;
  site: string;
  id: string;
  timezone: string;
  online: boolean;
  last_seen_at: string | null;
  since: string | null;
  clock: string | null;
  config: string | null;
  versions: Record<string, string>;
  lanes: Record<string, Lane>;
  free_disk: number | null;
  devices: number;
  offline: number;
  why: string;
}

export interface DeviceSnapshot {
  cursor: string;
  gateways: Gateway[];
  devices: Device[];
}

export interface DeviceState {
  at: string;
  field: string;
  old: string | null;
  new: string | null;
  cause: string;
}

export interface DeviceDetail {
  device: Device;
  points: Point[];
  states: DeviceState[];
}

export interface History {
  point: string;
  unit: string;
  rows: [number, PointValue, string | null][];
  thinned: boolean;
}

export interface Receipt {
  lanes: LaneReceipt[];
  quarantined_payloads: number;
}

export interface LaneReceipt {
  epoch: string;
  current: boolean;
  lane: string;
  stored_through: number;
  highest_seen: number;
  missing: [number, number][];
  missing_count: number;
  more_missing: boolean;
  quarantined: number;
  gaps: { first: number; last: number; samples: number | null; reason: string }[];
}

export interface Command {
  id: string;
  state: string;
  created_at?: string;
  until?: string;
  answer_by?: string | null;
  detail?: string | null;
  read_back?: Record<string, PointValue> | null;
}

export interface Basis {
  at: string;
  value: string | null;
  gateway: string;
  epoch: string;
  seq: number;
  index: number;
  raw: string | null;
  clock: string | null;
}

export interface Boundary {
  value: string | null;
  at: string | null;
  method: "exact" | "nearest" | "interpolated" | "missing";
  why?: string;
  basis: Basis[];
}

export interface ReadRow {
  site: string;
  building: string;
  meter: string;
  device: string;
  register: string;
  label: string;
  label_zh?: string;
  unit: string;
  month: string | null;
  reader: string;
  from_at: string;
  to_at: string;
  start: Boundary;
  end: Boundary;
  consumption: string | null;
  multiplier: string;
  quality: "exact" | "interpolated" | "estimated" | "missing";
  state: "missing" | "provisional" | "held" | "ready";
  why: string;
}

export type JobState = "pending" | "sent" | "running" | "stopping" | "done" | "failed" | "stopped" | "lost";

export interface Job {
  q: number;
  id: string;
  site: string;
  gateway: string;
  line: string | null;
  tool: string;
  args: Record<string, unknown>;
  by: string;
  state: JobState;
  created_at: string;
  started_at: string | null;
  until: string;
  ended_at: string | null;
  progress: { done?: number; total?: number; left_s?: number | null; text?: string } | null;
  rows: number;
  dropped: number;
  result: Record<string, unknown> | null;
  why: string;
}

/** What a tool has found: the words are the tool's own. `n` counts from 1. */
export interface JobRow {
  n: number;
  [name: string]: unknown;
}

export interface JobAndRows {
  job: Job;
  rows: JobRow[];
  next: number | null;
}

export interface Line {
  id: string;
  endpoint: string;
  label: string;
}

export interface ConfigProblem {
  line: number;
  path: string;
  text: string;
}

/** What a gateway says of a text that it was to check. */
export interface CheckedText {
  ok: boolean;
  why: string;
  problems: ConfigProblem[];
  at: string;
}

export interface Offer {
  id: string;
  base: string;
  active: string;
  health_minutes: number;
  reason: string;
  state: string;
  why: string;
  by: string;
  problems: ConfigProblem[];
  created_at: string;
  sent_at: string | null;
  ended_at: string | null;
}

export interface ConfigDraft {
  base: string;
  by: string;
  at: string;
  stale: boolean;
}

export interface Config {
  q: number;
  site: string;
  gateway: string;
  state: string;
  offer: string;
  why: string;
  problems: ConfigProblem[];
  active: string;
  at: string;
  draft: ConfigDraft | null;
}

export interface ConfigWhole {
  config: Config;
  yaml: string;
  draft_yaml: string | null;
  diff: string[];
  offers: Offer[];
}

export interface OfferAndText {
  offer: Offer;
  yaml: string;
  diff: string[];
}
