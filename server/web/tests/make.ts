import type { Alarm } from "../src/api/types";

/** An alarm for a test: give what matters. */
export function alarm(given: Partial<Alarm> = {}): Alarm {
  return {
    id: "1", q: 1, key: "k", site: "s", gateway: "g", building: "A", floor: "1", place: "", device: "d", device_name: "", part: "", by_hand: false,
    code: "c", class: "access", severity: "high", label: "Door held open", label_zh: "门未关好", condition: "active",
    acked: false, latched: false, state: "new", occurred_at: null, raised_at: "2026-03-01T00:00:00.000Z", cleared_at: null,
    acked_at: null, acked_by: null, closed_at: null, count: 1, late: false, test: false, detail: "", evidence: "",
    suppressed_by: null, ...given,
  };
}

/** Numbers that look random and are the same in every run. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}
