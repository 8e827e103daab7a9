/** The lines in which two texts differ, with a few around them: pure. */

export type Piece = { sign: " " | "+" | "-"; text: string; line: number } | { sign: "…"; text: ""; line: number };

const MOST_CELLS = 4_000_000;
const CONTEXT = 3;

/** Longest common subsequence of what is left between the same beginning and end; null where that is too much. */
function middle(a: readonly string[], b: readonly string[]): ("both" | "a" | "b")[] | null {
  const [n, m] = [a.length, b.length];
  if ((n + 1) * (m + 1) > MOST_CELLS) return null;
  const width = m + 1;
  const best = new Uint32Array((n + 1) * width);
  const at = (i: number, j: number) => best[i * width + j] as number;
  for (let i = n - 1; i >= 0; i -= 1) {
    for (let j = m - 1; j >= 0; j -= 1) best[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  }
  const steps: ("both" | "a" | "b")[] = [];
  let [i, j] = [0, 0];
  while (i < n || j < m) {
    if (i < n && j < m && a[i] === b[j]) {
      steps.push("both");
      i += 1;
      j += 1;
    } else if (j >= m || (i < n && at(i + 1, j) >= at(i, j + 1))) {
      steps.push("a");
      i += 1;
    } else {
      steps.push("b");
      j += 1;
    }
  }
  return steps;
}

function pieces(before: readonly string[], after: readonly string[]): Piece[] {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < before.length - head && tail < after.length - head && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const [a, b] = [before.slice(head, before.length - tail), after.slice(head, after.length - tail)];
  const steps = middle(a, b) ?? [...a.map(() => "a" as const), ...b.map(() => "b" as const)];
  const all: Piece[] = after.slice(0, head).map((text, at) => ({ sign: " ", text, line: at + 1 }));
  let [i, j] = [0, 0];
  for (const step of steps) {
    if (step === "a") all.push({ sign: "-", text: a[i] ?? "", line: head + i + 1 });
    else all.push({ sign: step === "b" ? "+" : " ", text: b[j] ?? "", line: head + j + 1 });
    if (step !== "b") i += 1;
    if (step !== "a") j += 1;
  }
  const from = after.length - tail;
  return [...all, ...after.slice(from).map((text, at): Piece => ({ sign: " ", text, line: from + at + 1 }))];
}

/** What changes from one text to the other; empty where nothing does. Line numbers are those of the side they are on. */
export function difference(before: string, after: string): Piece[] {
  if (before === after) return [];
  const all = pieces(before.split("\n"), after.split("\n"));
  const near = new Uint8Array(all.length);
  for (const [at, piece] of all.entries()) {
    if (piece.sign === " ") continue;
    for (let i = Math.max(0, at - CONTEXT); i <= Math.min(all.length - 1, at + CONTEXT); i += 1) near[i] = 1;
  }
  const shown: Piece[] = [];
  for (const [at, piece] of all.entries()) {
    if (near[at]) shown.push(piece);
    else if (shown.length > 0 && shown.at(-1)?.sign !== "…") shown.push({ sign: "…", text: "", line: 0 });
  }
  if (shown.at(-1)?.sign === "…") shown.pop();
  return shown;
}

export const changed = (list: readonly Piece[]): { more: number; less: number } => ({ more: list.filter((one) => one.sign === "+").length, less: list.filter((one) => one.sign === "-").length });
