import { Signal } from "../store/signal";

/** A yes or no that this browser remembers. */
function remembered(name: string, otherwise: boolean): Signal<boolean> {
  const stored = localStorage.getItem(name);
  const signal = new Signal(stored === null ? otherwise : stored === "yes");
  signal.subscribe(() => localStorage.setItem(name, signal.get() ? "yes" : "no"));
  return signal;
}

/** One-letter keys can be switched off (WCAG 2.1.4). */
export const letterKeys = remembered("gatehouse.keys", true);
/** The help about keys is open. */
export const helpShown = new Signal(false);
export const soundWanted = remembered("gatehouse.sound", false);
