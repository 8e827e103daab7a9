/** What an alarm's evidence says of a picture: `picture:cam-1/20260921T102741250Z-black.jpg`. */

const PICTURE = /picture:[A-Za-z0-9._/-]{1,140}(?![A-Za-z0-9._/-])/;
const STAMP = /\/(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z-/;

export function namesPicture(evidence: string): boolean {
  return PICTURE.test(evidence);
}

/** When it was taken by the gateway's clock, as ISO 8601; null where its name does not tell. */
export function momentOf(evidence: string): string | null {
  const parts = STAMP.exec(PICTURE.exec(evidence)?.[0] ?? "");
  if (!parts) return null;
  const [, year, month, day, hour, minute, second, ms] = parts;
  const text = `${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`;
  return Number.isNaN(Date.parse(text)) ? null : text;
}
