/** The keyboard of the alarm page. */

import { useEffect, useRef } from "react";
import { isOurs, placeOf } from "../ui/keyplace";
import { letterKeys } from "../ui/prefs";
import { type Command, commandOf } from "./keymap";

export function useKeys(run: (command: Command) => void): void {
  const latest = useRef(run);
  latest.current = run;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (!isOurs(event)) return;
      const place = placeOf(event.target);
      if (event.key === "Escape" && document.querySelector(":popover-open")) return;
      const command = commandOf(event.key, place, letterKeys.get());
      if (!command) return;
      event.preventDefault();
      if (place === "field") {
        // Out of the field, and on to where the other keys work: not to the top of the page.
        (event.target as HTMLElement).blur();
        document.getElementById("alarm-grid")?.focus();
      } else latest.current(command);
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
}
