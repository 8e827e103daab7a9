/** What a guard does to alarms: every press has a name, every failure is said. */

import { useState } from "react";
import { ApiError, call, operationId } from "../api/client";
import type { Alarm, BulkResult } from "../api/types";
import { useI18n } from "../i18n";
import { en } from "../i18n/en";
import { alarms } from "../store/stores";
import { useErrorText } from "../ui/parts";
import { report } from "../ui/problems";

export interface Actions {
  sending: ReadonlySet<string>;
  bulkSending: boolean;
  acknowledge: (alarm: Alarm, note: string) => Promise<boolean>;
  close: (alarm: Alarm, note: string) => Promise<boolean>;
  bulk: (ids: string[], note: string) => Promise<boolean>;
}

export function useActions(): Actions {
  const { t, label, word } = useI18n();
  const errorText = useErrorText();
  const [sending, setSending] = useState<ReadonlySet<string>>(new Set());
  const [bulkSending, setBulkSending] = useState(false);

  // Of hundreds of detectors with one label, the part says which.
  const nameOf = (alarm: Alarm) => [label(alarm), alarm.part].filter(Boolean).join(" · ");

  const conflict = (alarm: Alarm, error: ApiError) => {
    const newer = (error.body as { alarm?: Alarm } | null)?.alarm;
    if (newer) alarms.apply([newer]);
    const who = newer?.acked_by ? t("ack.conflictby", { who: newer.acked_by }) : "";
    report(t("ack.conflict", { name: nameOf(alarm), state: t(`state.${newer?.state ?? "acked"}`), who }));
  };

  const change = async (alarm: Alarm, what: "ack" | "close", note: string): Promise<boolean> => {
    const id = String(alarm.id);
    setSending((old) => new Set(old).add(id));
    try {
      const answer = await call<{ alarm: Alarm }>("POST", `alarms/${encodeURIComponent(id)}/${what}`, {
        op_id: operationId(),
        q: alarm.q,
        note,
      });
      alarms.apply([answer.alarm]);
      return true;
    } catch (error) {
      if (error instanceof ApiError && (error.code === "stale" || (error.code === "not_allowed" && what === "ack"))) conflict(alarm, error);
      else report(`${t(what === "ack" ? "ack.failed" : "close.failed", { name: nameOf(alarm) })} ${errorText(error)}`);
      return false;
    } finally {
      setSending((old) => {
        const rest = new Set(old);
        rest.delete(id);
        return rest;
      });
    }
  };

  return {
    sending,
    bulkSending,
    acknowledge: (alarm, note) => change(alarm, "ack", note),
    close: (alarm, note) => change(alarm, "close", note),
    bulk: async (ids, note) => {
      setBulkSending(true);
      try {
        const result = await call<BulkResult>("POST", "alarms/ack", { op_id: operationId(), ids, note });
        if (result.refused.length > 0) {
          const why = [...new Set(result.refused.map((one) => (`refused.${one.code}` in en ? word("refused", one.code) : one.why)))].join(t("list.between"));
          report(t("bulk.refused", { n: result.refused.length, all: ids.length, why }));
        }
        return true;
      } catch (error) {
        report(`${t("ack.failedbulk")} ${errorText(error)}`);
        return false;
      } finally {
        setBulkSending(false);
      }
    },
  };
}
