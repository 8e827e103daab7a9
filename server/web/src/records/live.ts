/** Keeps a list of records true while it is looked at, and still while somebody reads further down. */

import { useEffect, useRef, useState } from "react";
import type { Entries, Entry } from "../api/types";
import { loading, onEvent, watchTopic } from "../store/stores";
import { type Paged, usePaged } from "../ui/paged";
import { matches, type Wanted } from "./match";

/** However many records arrive, the list is asked for once in so long. */
const EVERY_MS = 1_000;

export interface LiveRecords extends Paged<Entry> {
  /** How many came while the list was held still. */
  waiting: number;
  /** Shows them. */
  release: () => void;
}

/** `still()` says that somebody reads and nothing may move. */
export function useRecords(address: string, wanted: Wanted, still: () => boolean): LiveRecords {
  const paged = usePaged<Entry, Entries>(address, (answer) => answer.records);
  const [waiting, setWaiting] = useState(0);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const now = useRef({ paged, wanted, still });
  now.current = { paged, wanted, still };
  const release = () => {
    setWaiting(0);
    now.current.paged.refresh();
  };

  useEffect(() => {
    setWaiting(0);
    const due = () => {
      timer.current = null;
      const { paged: list, still: isStill } = now.current;
      // A round under way is not cut off: the list would never come in a flood.
      if (list.state.phase === "loading" || isStill()) arm();
      else release();
    };
    const arm = () => {
      timer.current ??= setTimeout(due, EVERY_MS);
    };
    const heard = onEvent("records", (data) => {
      const mine = (data as Entry[]).filter((one) => matches(one, now.current.wanted)).length;
      if (mine === 0) return;
      if (now.current.paged.pages > 1 || now.current.still()) setWaiting((old) => old + mine);
      else arm();
    });
    // After a snapshot the stream may have skipped something.
    const anew = loading.subscribe(() => {
      if (loading.get().phase === "ready" && now.current.paged.pages <= 1) arm();
    });
    const unwatch = watchTopic("records");
    return () => {
      heard();
      anew();
      unwatch();
      if (timer.current !== null) clearTimeout(timer.current);
      timer.current = null;
    };
  }, [address]);
  return { ...paged, waiting, release };
}
