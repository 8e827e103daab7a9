/** What the page knows, and how snapshot and stream keep it true. */

import { ApiError, call, onSignedOut, sayIsSignedOut } from "../api/client";
import type { Alarm, AlarmSnapshot, Device, DeviceSnapshot, Gateway, PointValue } from "../api/types";
import { connect } from "../live/client";
import type { FeedState } from "../live/feed";
import { type FromHub, PING_MS } from "../live/hub";
import { older } from "./cursor";
import { onceAFrame } from "./frame";
import { KeyedStore } from "./keyed";
import { type News, newsOf } from "./news";
import { Signal } from "./signal";
import { type Frame, type Loading, Sync } from "./sync";

export const alarms = new KeyedStore<Alarm>(
  { id: (alarm) => String(alarm.id), q: (alarm) => alarm.q, gone: (alarm) => alarm.state === "closed" },
  onceAFrame,
);
export const devices = new KeyedStore<Device>(
  { id: (device) => `${device.site}/${device.id}`, q: (device) => device.q, gone: (device) => device.lifecycle === "removed" },
  onceAFrame,
);
export const gateways = new KeyedStore<Gateway>(
  { id: (gateway) => `${gateway.site}/${gateway.id}`, q: (gateway) => gateway.q, gone: () => false },
  onceAFrame,
);

export const feed = new Signal<FeedState>({ link: "idle", heardAt: null, skew: null });
export const loading = new Signal<Loading>({ phase: "idle" });
export const lastClosedAt = new Signal<string | null>(null);
export const speaker = new Signal<boolean>(false);
export const news = new Signal<News | null>(null);

export type LiveValue = [site: string, device: string, point: string, at: string, value: PointValue, quality: string | null];
const listeners = new Map<string, Set<(data: unknown[]) => void>>();

/** Hears the lists of one event of the stream, as long as its topic is watched. */
export function onEvent(event: string, listener: (data: unknown[]) => void): () => void {
  const all = listeners.get(event) ?? new Set();
  listeners.set(event, all);
  all.add(listener);
  return () => all.delete(listener);
}

export const onValues = (listener: (values: LiveValue[]) => void): (() => void) => onEvent("values", listener as (data: unknown[]) => void);

const RETRY_MS = 5_000;

interface Snapshot {
  first: AlarmSnapshot;
  second: DeviceSnapshot;
}

// No signal: it changes with every frame, and a burst of frames must not draw the page as often.
const sync = new Sync<Snapshot>({
  snapshot: async () => {
    const [first, second] = await Promise.all([call<AlarmSnapshot>("GET", "alarms?open=1"), call<DeviceSnapshot>("GET", "devices")]);
    return { first, second };
  },
  replace: ({ first, second }, again) => {
    const told = newsOf(alarms.replace(first.alarms), true);
    // What came while nothing was heard is one chime, as any backlog is.
    if (again && told.fresh.length > 0) news.set(told);
    devices.replace(second.devices);
    gateways.replace(second.gateways);
    lastClosedAt.set(first.last_closed_at);
  },
  take,
  start: ({ first, second }) => channel?.send({ t: "start", cursor: older(first.cursor, second.cursor) }),
  phase: (now) => loading.set(now),
  retry: (again, error) => {
    // A desk that nobody touches must come back by itself, as soon as the server does.
    if (!(error instanceof ApiError && error.status === 401)) setTimeout(again, RETRY_MS);
  },
  now: () => performance.now(),
});

/** Milliseconds since a frame or a heartbeat reached this tab; 0 before anything was ever asked for. */
export const silentFor = (): number => sync.silentFor();

/** Ticks without a word from the hub after which it counts as dead. A tab that slept counts one tick, not many. */
const DEAD_TICKS = 4;

let channel: ReturnType<typeof connect> | null = null;
let generation = 0;
let quiet = 0;
let canSound = false;
const topics = new Set<string>();

function receive(message: FromHub): void {
  quiet = 0;
  if (message.t === "welcome") {
    channel?.send({ t: "topics", topics: [...topics] });
    void sync.load();
  } else if (message.t === "ping") channel?.send({ t: "pong", canSound });
  else if (message.t === "speaker") speaker.set(message.you);
  else if (message.t === "state") heardState(message.state);
  else sync.hear(message);
}

/** A worker that has died says nothing, and its tabs would never know: the first answer is a new one, the second none. */
function watchHub(): void {
  quiet += 1;
  if (channel === null || quiet < DEAD_TICKS) return;
  quiet = 0;
  channel.send({ t: "bye" });
  open(generation > 1);
}

function open(alone: boolean): void {
  generation += 1;
  const mine = generation;
  speaker.set(false);
  channel = connect((message) => {
    if (mine === generation) receive(message);
  }, alone);
  channel.send({ t: "hello", topics: [...topics] });
  channel.send({ t: "pong", canSound });
}

function heardState(state: FeedState): void {
  // The hub says its state on every ping; what counts as hearing the server is a frame (see `Sync`).
  feed.set({ ...feed.get(), ...state });
  if (state.link === "signed-out") sayIsSignedOut();
}

function take(message: Frame): void {
  if (message.event === "alarms" && Array.isArray(message.data)) {
    const told = newsOf(alarms.apply(message.data as Alarm[]), message.backlog);
    if (told.fresh.length > 0) news.set(told);
    for (const alarm of message.data as Alarm[]) if (alarm.closed_at) lastClosedAt.set(alarm.closed_at);
  } else if ((message.event === "devices" || message.event === "gateways") && Array.isArray(message.data)) {
    const objects = message.data as (Device | Gateway)[];
    gateways.apply(objects.filter((one): one is Gateway => "lanes" in one));
    devices.apply(objects.filter((one): one is Device => !("lanes" in one)));
  } else if (listeners.has(message.event) && Array.isArray(message.data)) {
    for (const listener of [...(listeners.get(message.event) ?? [])]) listener(message.data);
  } else if (message.event === "bye" && (message.data as { why?: string } | null)?.why === "session") sayIsSignedOut();
}

/** Starts, or starts again after a sign-in. */
export function openFeed(): void {
  feed.set({ ...feed.get(), link: "connecting" });
  quiet = 0;
  if (channel === null) {
    open(false);
    setInterval(watchHub, PING_MS);
  } else {
    channel.send({ t: "hello", topics: [...topics] });
    channel.send({ t: "pong", canSound });
  }
}

export function reload(): void {
  void sync.load();
}

/** Asks the stream for one more topic, until the returned function is called. */
export function watchTopic(topic: string): () => void {
  topics.add(topic);
  channel?.send({ t: "topics", topics: [...topics] });
  return () => {
    topics.delete(topic);
    channel?.send({ t: "topics", topics: [...topics] });
  };
}

export function setCanSound(can: boolean): void {
  canSound = can;
  channel?.send({ t: "pong", canSound });
}

export function closeFeed(): void {
  channel?.send({ t: "bye" });
}

onSignedOut(() => feed.set({ ...feed.get(), link: "signed-out" }));
