/** Which reading of the registers is on the meter's display? Exact, by decimal digits: pure. */

const NUMBER = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/;
const MOST_SHIFT = 6;

interface Decimal {
  digits: bigint;
  /** The value is digits × 10^exp. */
  exp: number;
}

function parse(text: string): Decimal | null {
  const found = NUMBER.exec(text.trim());
  if (!found) return null;
  const [, sign = "", whole = "", part = "", power = "0"] = found;
  if (whole === "" && part === "") return null;
  const digits = BigInt(whole + part);
  return { digits: sign === "-" ? -digits : digits, exp: Number(power) - part.length };
}

/** A number as it may be typed: a comma for a point, blanks between thousands. */
export function typedNumber(text: string): string | null {
  const plain = text.replace(/\s+/g, "").replace(",", ".");
  return plain !== "" && parse(plain) ? plain : null;
}

function matchesAt(value: Decimal, typed: Decimal, shift: number): boolean {
  // The display shows so many decimals and no more: what lies below its last digit is cut off or rounded there.
  const drop = typed.exp - (value.exp + shift);
  if (drop <= 0) return value.digits * 10n ** BigInt(-drop) === typed.digits;
  const unit = 10n ** BigInt(drop);
  const cut = value.digits / unit;
  const rest = value.digits % unit;
  const away = value.digits < 0n ? -1n : 1n;
  const rounded = 2n * (rest < 0n ? -rest : rest) >= unit ? cut + away : cut;
  return (cut === typed.digits || rounded === typed.digits) && (cut !== 0n || rounded !== 0n || value.digits === 0n);
}

/** By which power of ten a value must be moved to be what the display shows: 0 as it is; null if by none. */
export function shiftTo(value: string, typed: string): number | null {
  const [have, want] = [parse(value), parse(typed)];
  if (!have || !want || Math.abs(have.exp) > 60) return null;
  if (matchesAt(have, want, 0)) return 0;
  // One digit is on every display: moved by tens, almost everything would match.
  const telling = String(want.digits < 0n ? -want.digits : want.digits).replace(/0+$/, "").length >= 2;
  if (!telling) return null;
  for (let shift = 1; shift <= MOST_SHIFT; shift += 1) {
    if (matchesAt(have, want, -shift)) return -shift;
    if (matchesAt(have, want, shift)) return shift;
  }
  return null;
}
