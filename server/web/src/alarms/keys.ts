/** The keyboard of the alarm page. Ctrl, Alt and Meta belong to the browser. */

import { useEffect, useRef } from "react";
import { letterKeys } from "../ui/prefs";
import { type Command, commandOf, type Place } from "./keymap";

function placeOf(target: EventTarget | null): Place {
  if (!(target instanceof HTMLElement)) return "other";
  if (target.closest("input, textarea, select")) return "field";
  if (target === document.body || target.getAttribute("role") === "grid") return "grid";
  return "other";
}

export function useKeys(run: (command: Command) => void): void {
  const latest = useRef(run);
  latest.current = run;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || document.querySelector("dialog[open]")) return;
      const place = placeOf(event.target);
      if (event.key === "Escape" && document.querySelector(":popover-open")) return;
      const command = commandOf(event.key, place, letterKeys.get());
      if (!command) return;
      if (place === "field") (event.target as HTMLElement).blur();
      event.preventDefault();
      latest.current(command);
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
}
