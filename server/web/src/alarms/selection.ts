/** The chosen row, and how high rows are. */

import { useEffect, useRef, useState } from "react";
import { useMedia } from "../ui/hooks";

export function useRowHeight(narrow: boolean): number {
  const coarse = useMedia("(pointer: coarse)");
  const root = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
  return Math.round(((narrow ? 60 : coarse ? 44 : 38) * root) / 16);
}

/** The chosen alarm, also in the address, though not on every key: browsers limit how often it may change. */
export function useSelected(search: URLSearchParams, change: (values: Record<string, string | null>, replace?: boolean) => void) {
  const address = search.get("id");
  const [selected, setSelected] = useState<string | null>(address);
  const written = useRef(address);
  useEffect(() => {
    if (address !== written.current) {
      written.current = address;
      setSelected(address);
    }
  }, [address]);
  useEffect(() => {
    const timer = setTimeout(() => {
      if (selected === written.current || selected?.includes("|")) return;
      written.current = selected;
      change({ id: selected }, true);
    }, 400);
    return () => clearTimeout(timer);
  }, [selected, change]);
  return [selected, setSelected] as const;
}
