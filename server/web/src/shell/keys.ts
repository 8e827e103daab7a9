/** The keys that mean the same on every page. */

import { useEffect } from "react";
import { isOurs, placeOf } from "../ui/keyplace";
import { helpShown, letterKeys } from "../ui/prefs";
import { toggleSound } from "../ui/sound";
import { toggleTheme } from "../ui/theme";

const KEYS: Record<string, () => void> = {
  m: () => void toggleSound(),
  t: toggleTheme,
  "?": () => helpShown.set(true),
};

export function useShellKeys(): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (!letterKeys.get() || !isOurs(event) || placeOf(event.target) === "field" || !Object.hasOwn(KEYS, event.key)) return;
      event.preventDefault();
      KEYS[event.key]?.();
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
}
