/** A form that words of a gateway or of the server take, and how it is said in Chinese; null: it is something else after all. */
export type Rule = readonly [pattern: RegExp, say: (parts: string[], again: (why: string) => string) => string | null];

/** Values as the gateway writes them into a sentence. */
export const VALUES: Readonly<Record<string, string>> = { true: "是", false: "否", unknown: "未知" };

/** "m-1, m-2 and 3 more" in Chinese. */
export function list(names: string): string {
  return names.replace(/ and (\d+) more$/, " 等另 $1 项").replaceAll(", ", "、");
}
