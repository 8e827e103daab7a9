/** The profiles that a gateway has: asked of it once, by a tool that needs no line. */

import { useEffect, useRef } from "react";
import type { Job } from "../api/types";
import { isOpen, type Place, useRows, useStart } from "./jobs";

const KEEP = 2000;
const LIFE_S = 60;
const FRESH_MS = 24 * 3600 * 1000;

export interface Profile {
  profile: string;
  model: string;
}

export function useProfiles(place: Place, jobs: readonly Job[], wanted: boolean): Profile[] {
  const { start } = useStart(place);
  const fresh = (job: Job) => isOpen(job) || (job.state === "done" && Date.now() - Date.parse(job.created_at) < FRESH_MS);
  const found = jobs.find((job) => job.tool === "profiles" && fresh(job)) ?? null;
  const asked = useRef(false);
  useEffect(() => {
    if (!wanted || found || asked.current) return;
    asked.current = true;
    // Without the list the name is typed: that this failed is no trouble of its own.
    void start({ tool: "profiles", line: null, args: {}, forS: LIFE_S });
  }, [wanted, found]);
  const { rows } = useRows(wanted ? found : null, KEEP);
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  return rows.map((row) => ({ profile: text(row.profile), model: `${text(row.vendor)} ${text(row.model)}`.trim() }));
}
