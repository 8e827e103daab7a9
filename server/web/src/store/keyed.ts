/** Whole objects by id, the newest `q` of each: any frame may come twice, late or not at all. */

const GRAVES = 5_000;

export type Outcome = "new" | "changed" | "removed" | "old";

export interface Applied<T> {
  outcome: Outcome;
  item: T;
  before: T | undefined;
}

export interface Rules<T> {
  id: (item: T) => string;
  q: (item: T) => number;
  gone: (item: T) => boolean;
}

export class KeyedStore<T> {
  #rules: Rules<T>;
  #items = new Map<string, T>();
  #graves = new Map<string, number>();
  #listeners = new Set<() => void>();
  #version = 0;
  #told = true;
  #later: (tell: () => void) => void;

  constructor(rules: Rules<T>, later: (tell: () => void) => void = (tell) => tell()) {
    this.#rules = rules;
    this.#later = later;
  }

  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#items.size;
  }

  get(id: string): T | undefined {
    return this.#items.get(id);
  }

  all(): T[] {
    return [...this.#items.values()];
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  snapshot = (): number => this.#version;

  /** Takes the list as the whole truth, whatever was held before: an epoch may have changed. Tells what it changed. */
  replace(items: readonly T[]): Applied<T>[] {
    const old = this.#items;
    const kept = items.filter((item) => !this.#rules.gone(item));
    this.#items = new Map(kept.map((item) => [this.#rules.id(item), item]));
    this.#graves.clear();
    this.#changed();
    return kept.map((item) => {
      const before = old.get(this.#rules.id(item));
      const outcome = before === undefined ? "new" : this.#rules.q(before) === this.#rules.q(item) ? "old" : "changed";
      return { outcome, item, before };
    });
  }

  apply(items: readonly T[]): Applied<T>[] {
    const applied = items.map((item) => this.#one(item));
    if (applied.some((one) => one.outcome !== "old")) this.#changed();
    return applied;
  }

  #one(item: T): Applied<T> {
    const id = this.#rules.id(item);
    const q = this.#rules.q(item);
    const before = this.#items.get(id);
    const known = before ? this.#rules.q(before) : (this.#graves.get(id) ?? -1);
    if (q <= known) return { outcome: "old", item, before };
    if (this.#rules.gone(item)) {
      this.#items.delete(id);
      this.#bury(id, q);
      return { outcome: "removed", item, before };
    }
    this.#graves.delete(id);
    this.#items.set(id, item);
    return { outcome: before ? "changed" : "new", item, before };
  }

  /** Remembers what was closed, or a doubled older frame would open it again. */
  #bury(id: string, q: number): void {
    this.#graves.delete(id);
    this.#graves.set(id, q);
    if (this.#graves.size > GRAVES) {
      const oldest = this.#graves.keys().next();
      if (!oldest.done) this.#graves.delete(oldest.value);
    }
  }

  #changed(): void {
    this.#version += 1;
    if (!this.#told) return;
    this.#told = false;
    this.#later(() => {
      this.#told = true;
      for (const listener of [...this.#listeners]) listener();
    });
  }
}
