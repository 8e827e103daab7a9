/** The address is the state: path and filters, shareable, with a working back button. */

import { useCallback, useSyncExternalStore } from "react";

const EVENT = "gatehouse:address";

function subscribe(listener: () => void): () => void {
  window.addEventListener("popstate", listener);
  window.addEventListener(EVENT, listener);
  return () => {
    window.removeEventListener("popstate", listener);
    window.removeEventListener(EVENT, listener);
  };
}

export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname);
}

export function go(address: string, replace = false): void {
  if (address === location.pathname + location.search) return;
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  window.dispatchEvent(new Event(EVENT));
}

export type Change = Record<string, string | null>;

/** The parameters of the address, and a way to change some of them. */
export function useSearch(): [URLSearchParams, (change: Change, replace?: boolean) => void] {
  const text = useSyncExternalStore(subscribe, () => location.search);
  const change = useCallback((values: Change, replace = false) => {
    const search = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(values)) {
      if (value === null || value === "") search.delete(name);
      else search.set(name, value);
    }
    const query = search.toString();
    go(`${location.pathname}${query ? `?${query}` : ""}`, replace);
  }, []);
  return [new URLSearchParams(text), change];
}
