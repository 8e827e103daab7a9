/** The sound of this browser: one tab sounds, the hub says which. */

import { useEffect, useState } from "react";
import { useI18n } from "../i18n";
import { severityOf } from "../store/news";
import { useSignal } from "../store/signal";
import { alarms, news, setCanSound, silentFor, speaker } from "../store/stores";
import { armAudio, audioReady, playPattern } from "./audio";
import { useNow } from "./hooks";
import { soundWanted } from "./prefs";
import { Key } from "./parts";
import { Sounder } from "./sounder";
import { useTimes } from "./times";

const sounder = new Sounder(
  (pattern) => {
    if (speaker.get() && soundWanted.get()) playPattern(pattern);
  },
  () => performance.now(),
);

function criticalWaits(): boolean {
  return alarms.all().some((alarm) => !alarm.acked && !alarm.suppressed_by && severityOf(alarm.severity) === "critical");
}

/** Runs the sounds of the page; mounted once. */
export function useSoundEngine(): void {
  useEffect(() => {
    const arm = () => {
      if (!soundWanted.get()) return;
      void armAudio().then(() => setCanSound(audioReady() && soundWanted.get()));
    };
    const told = news.subscribe(() => {
      const last = news.get();
      if (last) sounder.heard(last.fresh, last.backlog);
    });
    const wanted = soundWanted.subscribe(() => setCanSound(audioReady() && soundWanted.get()));
    const timer = setInterval(() => sounder.tick(criticalWaits(), silentFor()), 1000);
    window.addEventListener("pointerdown", arm);
    window.addEventListener("keydown", arm);
    return () => {
      told();
      wanted();
      clearInterval(timer);
      window.removeEventListener("pointerdown", arm);
      window.removeEventListener("keydown", arm);
    };
  }, []);
}

export async function testSound(): Promise<void> {
  soundWanted.set(true);
  await armAudio();
  setCanSound(audioReady());
  playPattern("critical");
}

export async function toggleSound(): Promise<void> {
  if (soundWanted.get() && audioReady()) soundWanted.set(false);
  else {
    soundWanted.set(true);
    await armAudio();
    setCanSound(audioReady());
  }
}

export function SoundControl() {
  const { t } = useI18n();
  const wanted = useSignal(soundWanted);
  const now = useNow(1000);
  const times = useTimes();
  const [, again] = useState(0);
  const left = sounder.silencedUntil - performance.now();
  const ready = audioReady();
  const words = !wanted
    ? t("sound.off")
    : !ready
      ? t("sound.blocked")
      : left > 0
        ? t("sound.silenced", { time: times.short(new Date(now + left).toISOString()) })
        : t("sound.on");
  const quiet = (minutes: number) => () => {
    sounder.silence(minutes * 60_000);
    again((old) => old + 1);
  };
  return (
    <div className="sound">
      <button type="button" className={wanted && ready ? "" : "warn"} aria-pressed={wanted && ready} onClick={() => void toggleSound()}>
        {words} <Key>m</Key>
      </button>
      <button type="button" popoverTarget="sound-menu" aria-label={t("sound.menu")} className="icon">
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M3 6l5 5 5-5" />
        </svg>
      </button>
      <div id="sound-menu" popover="auto" className="menu menu-right">
        <button type="button" onClick={() => void testSound()}>
          {t("sound.test")}
        </button>
        <button type="button" onClick={quiet(1)}>
          {t("sound.silence1")}
        </button>
        <button type="button" onClick={quiet(5)}>
          {t("sound.silence5")}
        </button>
      </div>
    </div>
  );
}
