/** All texts, in English; a page brings a file of its own. */

import { alarms } from "./en/alarms";
import { commission } from "./en/commission";
import { devices } from "./en/devices";
import { errors } from "./en/errors";
import { reads } from "./en/reads";
import { records } from "./en/records";
import { shell } from "./en/shell";

export const en = { ...shell, ...alarms, ...devices, ...commission, ...reads, ...records, ...errors } as const;
