import { type FormEvent, useEffect, useState } from "react";
import { ApiError } from "../api/client";
import type { Line } from "../api/types";
import { useI18n } from "../i18n";
import { devices } from "../store/stores";
import { useLoad } from "../ui/hooks";
import { Dialog, Failure, Words } from "../ui/parts";
import { askConfig, keepDraft } from "./configs";
import type { Place } from "./jobs";
import { Refused } from "./parts";
import type { Found } from "./rows";
import { freeId, type NewDevice, withDevice, written } from "./yaml";

const ID = /^[A-Za-z0-9][A-Za-z0-9_\-]{0,63}$/;
const FIELDS = ["id", "name", "building", "floor", "place"] as const;

interface AddProps {
  place: Place;
  line: Line;
  found: Found;
  onClose: () => void;
}

/** Writes a found device into the draft: nothing changes at the cabinet before the draft is applied. */
export function AddDialog({ place, line, found, onClose }: AddProps) {
  const { t } = useI18n();
  const [state, again] = useLoad(`${place.site}/${place.gateway}`, (signal) => askConfig(place, signal));
  const [given, setGiven] = useState({ id: "", name: "", building: "", floor: "", place: "" });
  const [profile, setProfile] = useState(found.matches[0]?.profile ?? "");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const [done, setDone] = useState(false);
  const whole = state.data;
  const text = whole ? (whole.draft_yaml ?? whole.yaml) : "";
  useEffect(() => {
    const others = devices.all().filter((one) => one.gateway === place.gateway).map((one) => one.id);
    if (whole) setGiven((old) => (old.id ? old : { ...old, id: freeId(text, found.address || found.unit, others) }));
  }, [whole]);
  const device: NewDevice = { ...given, profile, unit: found.unit, address: found.address, baud: found.baud, parity: found.parity };
  const made = whole && ID.test(given.id) && profile ? withDevice(text, line.id, device) : null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!whole || made === null) return;
    setBusy(true);
    setProblem(null);
    keepDraft(place, made, whole.config.draft?.base ?? whole.config.active, whole.config.draft?.at ?? "")
      .then(
        () => setDone(true),
        (error: unknown) => {
          setProblem(error);
          // Somebody wrote the draft meanwhile: the next press stands on theirs.
          if (error instanceof ApiError && error.status === 409) again();
        },
      )
      .finally(() => setBusy(false));
  };
  const title = t("com.add.title", { n: found.address || found.unit, line: line.id });
  if (done) {
    return (
      <Dialog title={title} onClose={onClose}>
        <p role="status">{t("com.add.done", { name: given.id })}</p>
        <div className="dialog-buttons">
          <button type="button" className="primary" data-focus onClick={onClose}>
            {t("dialog.close")}
          </button>
        </div>
      </Dialog>
    );
  }
  if (!whole) {
    return (
      <Dialog title={title} onClose={onClose}>
        {state.phase === "failed" ? <Failure title={t("com.config.failed")} error={state.error} onRetry={again} /> : <Words>{t("com.config.loading")}</Words>}
        <div className="dialog-buttons">
          <button type="button" data-focus onClick={onClose}>
            {t("dialog.cancel")}
          </button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit} className="add-form">
        {FIELDS.map((field) => (
          <label key={field}>
            {t(`com.field.${field}`)}
            <input value={given[field]} maxLength={field === "id" ? 64 : 100} autoComplete="off" required={field === "id"} pattern={field === "id" ? ID.source : undefined} onChange={(event) => setGiven({ ...given, [field]: event.target.value })} />
          </label>
        ))}
        <label>
          {t("com.field.profile")}
          {found.matches.length > 0 ? (
            <select value={profile} onChange={(event) => setProfile(event.target.value)}>
              {found.matches.map((match) => (
                <option key={match.profile} value={match.profile}>
                  {match.profile} ({match.score})
                </option>
              ))}
            </select>
          ) : (
            <input value={profile} maxLength={80} required autoComplete="off" onChange={(event) => setProfile(event.target.value)} />
          )}
        </label>
        {made === null && profile !== "" && ID.test(given.id) && (
          <>
            <p className="form-problem">{t("com.add.byhand", { line: line.id })}</p>
            <pre className="snippet">{written(device, 6, true).join("\n")}</pre>
          </>
        )}
        <Refused title={t("com.add.failed")} error={problem} />
        <div className="dialog-buttons">
          <button type="button" data-focus onClick={onClose}>
            {t("dialog.cancel")}
          </button>
          <button type="submit" className="primary" disabled={busy || made === null}>
            {busy ? t("detail.sending") : t("com.add")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
