/** A form that words of a gateway or of the server take, and how it is said in Chinese; null: it is something else after all. */
export type Rule = readonly [pattern: RegExp, say: (parts: string[], again: (why: string) => string) => string | null];
