/** Sums of decimal strings, exact: a binary float never touches a register. */

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d+))?$/;

interface Scaled {
  units: bigint;
  places: number;
}

function scaled(text: string): Scaled | null {
  const match = DECIMAL.exec(text.trim());
  if (!match) return null;
  const fraction = match[3] ?? "";
  const units = BigInt(`${match[2] ?? "0"}${fraction}`);
  return { units: match[1] === "-" ? -units : units, places: fraction.length };
}

/** Null when one of them is no decimal: a sum with a hole is no sum. */
export function sum(values: readonly string[]): string | null {
  let total = 0n;
  let places = 0;
  for (const value of values) {
    const one = scaled(value);
    if (!one) return null;
    if (one.places > places) {
      total *= 10n ** BigInt(one.places - places);
      places = one.places;
    }
    total += one.units * 10n ** BigInt(places - one.places);
  }
  const digits = (total < 0n ? -total : total).toString().padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  return `${total < 0n ? "-" : ""}${whole}${places > 0 ? `.${digits.slice(-places)}` : ""}`;
}

/** The same number with its thousands apart; every digit stays. */
export function spaced(text: string): string {
  const match = DECIMAL.exec(text);
  if (!match) return text;
  const whole = (match[2] ?? "").replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return `${match[1] === "-" ? "\u2212" : ""}${whole}${match[3] === undefined ? "" : `.${match[3]}`}`;
}
