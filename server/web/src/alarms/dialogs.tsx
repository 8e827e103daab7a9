import type { Alarm } from "../api/types";
import { useI18n } from "../i18n";
import { ReasonDialog } from "../ui/parts";
import type { BulkPlan } from "./select";

/** Before many are acknowledged at once: how many, which not, and why. */
export function BulkDialog({ plan, busy, onClose, onConfirm }: { plan: BulkPlan; busy: boolean; onClose: () => void; onConfirm: (reason: string) => void }) {
  const { t } = useI18n();
  const none = plan.ids.length === 0;
  return (
    <ReasonDialog
      title={none ? t("bulk.none") : t("bulk.title", { n: plan.ids.length })}
      label={t("bulk.reason")}
      confirm={t("bulk.confirm", { n: plan.ids.length })}
      busy={busy}
      disabled={none}
      onClose={onClose}
      onConfirm={onConfirm}
    >
      {plan.critical > 0 && <p>{t("bulk.critical", { n: plan.critical })}</p>}
      {plan.over > 0 && <p>{t("bulk.over", { n: plan.over })}</p>}
      {plan.done > 0 && <p className="second">{t("bulk.done", { n: plan.done })}</p>}
    </ReasonDialog>
  );
}

/** The server wants so many characters on what was seen where no device says the end. */
const LEAST_SEEN = 3;

export function CloseDialog({ alarm, onClose, onConfirm }: { alarm: Alarm | undefined; onClose: () => void; onConfirm: (reason: string) => void }) {
  const { t } = useI18n();
  const byHand = alarm?.by_hand === true && alarm.condition === "active";
  return (
    <ReasonDialog
      title={t("close.title")}
      label={t(byHand ? "close.seen" : "close.note")}
      confirm={t("close.confirm")}
      least={byHand ? LEAST_SEEN : 1}
      onClose={onClose}
      onConfirm={onConfirm}
    >
      {byHand && <p>{t("close.byhand")}</p>}
    </ReasonDialog>
  );
}
