/** Where a key was pressed, and whether it is the page's to take. */

export type Place = "grid" | "field" | "other";

export function placeOf(target: EventTarget | null): Place {
  if (!(target instanceof HTMLElement)) return "other";
  if (target.closest("input, textarea, select")) return "field";
  if (target === document.body || target.getAttribute("role") === "grid") return "grid";
  return "other";
}

/** Ctrl, Alt and Meta belong to the browser; an open dialog has the keyboard for itself. */
export const isOurs = (event: KeyboardEvent): boolean =>
  !event.ctrlKey && !event.altKey && !event.metaKey && !event.isComposing && !event.defaultPrevented && !document.querySelector("dialog[open]");
