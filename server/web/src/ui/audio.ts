/** The tones, made by WebAudio: no files, nothing to load. */

import type { Pattern } from "./sounder";

type Tone = [hz: number, startS: number, lengthS: number];

const PATTERNS: Record<Pattern, Tone[]> = {
  critical: [
    [880, 0, 0.18],
    [880, 0.28, 0.18],
    [880, 0.56, 0.18],
  ],
  high: [[587, 0, 0.35]],
  summary: [
    [587, 0, 0.16],
    [880, 0.2, 0.3],
  ],
  "feed-lost": [
    [440, 0, 0.3],
    [330, 0.35, 0.6],
  ],
};

let context: AudioContext | null = null;

export const audioReady = (): boolean => context?.state === "running";

/** Must be called from a click or a key: browsers allow sound no sooner. True when sound will be heard. */
export async function armAudio(): Promise<boolean> {
  context = context ?? new AudioContext();
  if (context.state !== "running") await context.resume();
  return audioReady();
}

export function playPattern(pattern: Pattern): void {
  if (!context || context.state !== "running") return;
  const volume = context.createGain();
  volume.connect(context.destination);
  volume.gain.value = 0;
  for (const [hz, start, length] of PATTERNS[pattern]) {
    const tone = context.createOscillator();
    const at = context.currentTime + 0.02 + start;
    tone.type = "square";
    tone.frequency.value = hz;
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(0.22, at + 0.01);
    volume.gain.setValueAtTime(0.22, at + length - 0.02);
    volume.gain.linearRampToValueAtTime(0, at + length);
    tone.connect(volume);
    tone.start(at);
    tone.stop(at + length);
  }
}
