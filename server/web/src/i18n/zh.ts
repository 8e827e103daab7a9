/** All texts, in Chinese. A key that English has and Chinese lacks stops the build. */

import type { en } from "./en";
import { alarms } from "./zh/alarms";
import { commission } from "./zh/commission";
import { devices } from "./zh/devices";
import { errors } from "./zh/errors";
import { reads } from "./zh/reads";
import { records } from "./zh/records";
import { shell } from "./zh/shell";

export const zh: Record<keyof typeof en, string> = { ...shell, ...alarms, ...devices, ...commission, ...reads, ...records, ...errors };
