/** What a gateway runs, the draft, and the offers: asked for, and asked for again when the stream says that it changed. */

import { useEffect } from "react";
import { call, query } from "../api/client";
import type { Config, ConfigWhole } from "../api/types";
import { useSignal } from "../store/signal";
import { loading, onEvent } from "../store/stores";
import { type Load, useLoad } from "../ui/hooks";
import { isUnderWay } from "./editing";
import { ASK_AGAIN_MS, type Place } from "./jobs";

export const configPath = (place: Place, more = ""): string => `gateways/${encodeURIComponent(place.gateway)}/config${more}${query({ site: place.site })}`;

export const askConfig = (place: Place, signal?: AbortSignal): Promise<ConfigWhole> => call<ConfigWhole>("GET", configPath(place), undefined, signal);

/** `seen`: the draft that was on the screen when this one was written, "" for none: somebody else's is never overwritten. */
export const keepDraft = (place: Place, yaml: string, base: string, seen: string): Promise<ConfigWhole> => call<ConfigWhole>("PUT", configPath(place, "/draft"), { yaml, base, seen });

export function useConfig(place: Place): [Load<ConfigWhole>, () => void] {
  const snapshot = useSignal(loading);
  const key = `${place.site}/${place.gateway}`;
  const [state, again] = useLoad(key, (signal) => askConfig(place, signal));
  useEffect(() => onEvent("configs", (data) => (data as Config[]).some((one) => `${one.site}/${one.gateway}` === key) && again()), [key]);
  const open = state.data?.offers.some((one) => isUnderWay(one.state)) ?? false;
  useEffect(() => {
    if (!open) return;
    const timer = setInterval(again, ASK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [open]);
  useEffect(() => {
    if (snapshot.phase === "ready") again();
  }, [snapshot]);
  return [state, again];
}
