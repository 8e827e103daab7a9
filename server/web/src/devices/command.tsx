import { useEffect, useState } from "react";
import { call, operationId } from "../api/client";
import type { Action, Command, Device } from "../api/types";
import { useI18n } from "../i18n";
import { causeText } from "../i18n/cause";
import { Dialog, ReasonDialog, useErrorText } from "../ui/parts";
import { giveUpMs, outcomeWord, takesS } from "./outcome";

const OPEN = new Set(["pending", "sent"]);
const ASK_MS = 400;

/** Follows a command until it has ended, by asking: a result is worth an exact answer. */
function useOutcome(first: Command | null): { command: Command | null; waitedOut: boolean } {
  const [command, setCommand] = useState<Command | null>(null);
  const [waitedOut, setWaitedOut] = useState(false);
  useEffect(() => {
    setCommand(first);
    if (!first || !OPEN.has(first.state)) return;
    const control = new AbortController();
    const started = performance.now();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = () => {
      call<{ command: Command }>("GET", `commands/${encodeURIComponent(first.id)}`, undefined, control.signal)
        .then(({ command: now }) => {
          setCommand(now);
          return OPEN.has(now.state);
        })
        // The command is on its way whether or not this question was answered: ask again.
        .catch(() => true)
        .then((open) => {
          if (!open || control.signal.aborted) return;
          if (performance.now() - started > giveUpMs(first)) setWaitedOut(true);
          else timer = setTimeout(ask, ASK_MS);
        });
    };
    timer = setTimeout(ask, ASK_MS);
    return () => {
      control.abort();
      clearTimeout(timer);
    };
  }, [first]);
  return { command, waitedOut };
}

export function CommandDialog({ device, action, onClose }: { device: Device; action: Action; onClose: () => void }) {
  const { t, label, word, place, language } = useI18n();
  const errorText = useErrorText();
  const [name] = useState(operationId);
  const [first, setFirst] = useState<Command | null>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const { command, waitedOut } = useOutcome(first);
  const title = t("cmd.title", { action: label(action), name: device.name || device.id });
  const where = place(device, ["building", "floor", "place", "site"]);

  const send = (reason: string) => {
    setBusy(true);
    setProblem("");
    // The name of the press stays the same when it is pressed again after an error: it runs once.
    const body = { site: device.site, device: device.id, action: action.id, args: {}, reason, op_id: name };
    call<{ command: Command }>("POST", "commands", body)
      .then(
        (answer) => setFirst(answer.command),
        (error: unknown) => setProblem(`${t("cmd.failed", { name: label(action) })} ${errorText(error)}`),
      )
      .finally(() => setBusy(false));
  };

  if (!command) {
    return (
      <ReasonDialog title={title} label={t("cmd.reason")} confirm={t("cmd.send")} busy={busy} least={2} onConfirm={send} onClose={onClose}>
        <p>
          <b>{where}</b>
        </p>
        <p>{t("cmd.help")}</p>
        <div role="alert" className="form-problem">
          {problem}
        </div>
      </ReasonDialog>
    );
  }
  const back = Object.entries(command.read_back ?? {});
  return (
    <Dialog title={title} onClose={onClose}>
      <p>
        <b>{where}</b>
      </p>
      <p role="status" className={`outcome outcome-${command.state}`}>
        {word("cmd", outcomeWord(command))}
      </p>
      {OPEN.has(command.state) && takesS(command) > 0 && <p className="second">{t("cmd.takes", { s: takesS(command) })}</p>}
      {command.detail && <p className="second">{causeText(language, command.detail)}</p>}
      {back.length > 0 && (
        <p>
          {t("cmd.readback")}: {back.map(([point, value]) => `${point} = ${value === true ? t("value.true") : value === false ? t("value.false") : (value ?? t("value.unknown"))}`).join(", ")}
        </p>
      )}
      {waitedOut && <p role="alert">{t("cmd.noanswer")}</p>}
      <div className="dialog-buttons">
        <button type="button" className="primary" onClick={onClose}>
          {t("dialog.close")}
        </button>
      </div>
    </Dialog>
  );
}
