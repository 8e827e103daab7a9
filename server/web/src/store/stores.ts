/** What the page knows, and how snapshot and stream keep it true. */

import { ApiError, call, onSignedOut, sayIsSignedOut } from "../api/client";
import type { Alarm, AlarmSnapshot, Device, DeviceSnapshot, Gateway, PointValue } from "../api/types";
import { connect } from "../live/client";
import type { FeedState } from "../live/feed";
import type { FromHub } from "../live/hub";
import { older } from "./cursor";
import { onceAFrame } from "./frame";
import { KeyedStore } from "./keyed";
import { type News, newsOf } from "./news";
import { Signal } from "./signal";

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

export type Loading = { phase: "idle" | "loading" | "ready" } | { phase: "failed"; error: unknown };

export const feed = new Signal<FeedState>({ link: "idle", heardAt: null, skew: null });
export const loading = new Signal<Loading>({ phase: "idle" });
export const lastClosedAt = new Signal<string | null>(null);
export const speaker = new Signal<boolean>(false);
export const news = new Signal<News | null>(null);

export type LiveValue = [site: string, device: string, point: string, at: string, value: PointValue, quality: string | null];
const valueListeners = new Set<(values: LiveValue[]) => void>();

export function onValues(listener: (values: LiveValue[]) => void): () => void {
  valueListeners.add(listener);
  return () => valueListeners.delete(listener);
}

const RETRY_MS = 5_000;

// No signal: it changes with every frame, and a burst of frames must not draw the page as often.
let heard: number | null = null;

/** Milliseconds since a frame or a heartbeat reached this tab; 0 before anything ever has. */
export const silentFor = (): number => (heard === null ? 0 : performance.now() - heard);

let channel: ReturnType<typeof connect> | null = null;
let waiting: FromHub[] | null = null;
let round = 0;
let canSound = false;
const topics = new Set<string>();

function receive(message: FromHub): void {
  if (message.t === "welcome") void load();
  else if (message.t === "ping") channel?.send({ t: "pong", canSound });
  else if (message.t === "speaker") speaker.set(message.you);
  else if (message.t === "state") heardState(message.state);
  else if (waiting && message.event !== "hb") waiting.push(message);
  else take(message);
}

function heardState(state: FeedState): void {
  // The hub says its state on every ping; what counts as hearing the server is a frame (see `take`).
  feed.set({ ...feed.get(), ...state });
  if (state.link === "signed-out") sayIsSignedOut();
}

function take(message: Extract<FromHub, { t: "frame" }>): void {
  heard = performance.now();
  if (message.event === "reset") void load();
  else if (message.event === "alarms" && Array.isArray(message.data)) {
    const told = newsOf(alarms.apply(message.data as Alarm[]), message.backlog);
    if (told.fresh.length > 0) news.set(told);
    for (const alarm of message.data as Alarm[]) if (alarm.closed_at) lastClosedAt.set(alarm.closed_at);
  } else if (message.event === "devices" && Array.isArray(message.data)) {
    const objects = message.data as (Device | Gateway)[];
    gateways.apply(objects.filter((one): one is Gateway => "lanes" in one));
    devices.apply(objects.filter((one): one is Device => !("lanes" in one)));
  } else if (message.event === "values" && Array.isArray(message.data)) {
    for (const listener of valueListeners) listener(message.data as LiveValue[]);
  } else if (message.event === "bye" && (message.data as { why?: string } | null)?.why === "session") sayIsSignedOut();
}

/** Loads both snapshots; frames that come meanwhile wait their turn, so that nothing falls between. */
async function load(): Promise<void> {
  round += 1;
  const mine = round;
  waiting = waiting ?? [];
  if (loading.get().phase !== "ready") loading.set({ phase: "loading" });
  try {
    const [first, second] = await Promise.all([
      call<AlarmSnapshot>("GET", "alarms?open=1"),
      call<DeviceSnapshot>("GET", "devices"),
    ]);
    if (mine !== round) return;
    alarms.replace(first.alarms);
    devices.replace(second.devices);
    gateways.replace(second.gateways);
    lastClosedAt.set(first.last_closed_at);
    const frames = waiting;
    waiting = null;
    for (const frame of frames ?? []) if (frame.t === "frame") take(frame);
    heard = performance.now();
    loading.set({ phase: "ready" });
    channel?.send({ t: "start", cursor: older(first.cursor, second.cursor) });
  } catch (error) {
    if (mine !== round) return;
    loading.set({ phase: "failed", error });
    // A desk that nobody touches must come back by itself, as soon as the server does.
    if (!(error instanceof ApiError && error.status === 401)) setTimeout(() => mine === round && void load(), RETRY_MS);
  }
}

/** Starts, or starts again after a sign-in. */
export function openFeed(): void {
  channel = channel ?? connect(receive);
  feed.set({ ...feed.get(), link: "connecting" });
  channel.send({ t: "hello", topics: [...topics] });
  channel.send({ t: "pong", canSound });
}

export function reload(): void {
  void load();
}

export function watchValues(topic: string): () => void {
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
