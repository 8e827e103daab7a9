/** Both snapshots are read one after the other: begin at the older cursor; what is told twice is dropped by `q`. */
export function older(one: string, other: string): string {
  const [left, right] = [one, other].map((cursor) => /^(.*)-(\d+)$/.exec(cursor));
  if (!left || !right || left[1] !== right[1]) return one;
  return Number(left[2]) <= Number(right[2]) ? one : other;
}
