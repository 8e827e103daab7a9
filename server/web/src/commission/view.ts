/** What each part of the page is given, and which job it shows. */

import type { Job, Line } from "../api/types";
import { useSearch } from "../ui/router";
import { isOpen, type Order, type Place } from "./jobs";

export interface PartProps {
  place: Place;
  line: Line;
  jobs: readonly Job[];
  online: boolean;
}

/** The runs of a tool on a line, and the one to show: that of the address, else the newest. */
export function useRuns(jobs: readonly Job[], tool: string, line: string): { runs: Job[]; shown: Job | null; show: (id: string | null) => void } {
  const [search, change] = useSearch();
  const runs = jobs.filter((job) => job.tool === tool && job.line === line);
  const shown = runs.find((job) => job.id === search.get("job")) ?? runs[0] ?? null;
  return { runs, shown, show: (id) => change({ job: id }, true) };
}

/** The job that has the line now: one at a time. */
export const atWork = (jobs: readonly Job[], line: string): Job | null => jobs.find((job) => job.line === line && isOpen(job)) ?? null;

export type Begin = (order: Order) => Promise<Job | null>;
