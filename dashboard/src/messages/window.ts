/**
 * A list of up to millions of messages, of which only what is looked at is here.
 *
 * Pages come when they are wanted and go when they have not been looked at for long. A list in the order of the
 * positions can be looked at anywhere at once; every other one is walked from its beginning, page by page.
 */

import type { RowFragment } from "../gql/graphql";

export const PAGE = 100;
/** Pages that are kept: some screens in each direction. */
const KEPT = 20;
/** Pages that are asked for at a time. */
const AT_ONCE = 2;

export type Row = RowFragment;

export interface Page {
  readonly rows: readonly Row[];
  /** Where the next one begins; null: this is the last. */
  readonly next: string | null;
}

/** Asks for a page: of a list at any position by its number; of one that is walked after the cursor of the one before. */
export type Load = (number: number, after: string | null) => Promise<Page>;

interface Options {
  readonly load: Load;
  /** How many rows there are, of a list that can be looked at anywhere; null: it is walked. */
  readonly length: number | null;
}

export class MessageWindow {
  #load: Load;
  #length: number | null;
  #pages = new Map<number, Row[]>();
  #places = new Map<string, readonly [page: number, index: number]>();
  /** Of a list that is walked: where each page begins that could be asked for. */
  #starts: (string | null)[] = [null];
  #walked = 0;
  #ended = false;
  #asked = new Set<number>();
  #wanted: readonly [first: number, last: number] = [0, 0];
  #generation = 0;
  #version = 0;
  #failure: unknown = null;
  #watchers = new Set<() => void>();

  constructor({ load, length }: Options) {
    this.#load = load;
    this.#length = length;
  }

  /** Rows that can be scrolled to: all, or those that are known and a page of what comes. */
  get length(): number {
    if (this.#length !== null) return this.#length;
    return this.#ended ? this.#walked : this.#walked + PAGE;
  }

  /** Whether the end of the list is known. */
  get ended(): boolean {
    return this.#length !== null || this.#ended;
  }

  /** Why the last page did not come; null: nothing failed. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Changes with everything that can be seen here. */
  readonly version = (): number => this.#version;

  readonly watch = (changed: () => void): (() => void) => {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  };

  /** The row at this place; undefined: it is on its way. */
  row(index: number): Row | undefined {
    return this.#pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** Whether this message is here. */
  has(id: string): boolean {
    return this.#places.has(id);
  }

  /** These rows are looked at, the last one included: what is missing of them is asked for. */
  want(first: number, last: number): void {
    this.#wanted = [Math.floor(first / PAGE), Math.floor(Math.max(first, last) / PAGE)];
    this.#fill();
  }

  /** Puts messages that changed in the place of what is here of them; the others are none of ours. How many were here. */
  replace(messages: readonly Row[]): number {
    let here = 0;
    for (const message of messages) {
      const place = this.#places.get(message.id);
      if (place === undefined) continue;
      const page = this.#pages.get(place[0]);
      if (page === undefined) continue;
      page[place[1]] = message;
      here += 1;
    }
    if (here > 0) this.#say();
    return here;
  }

  /** The list may have become longer, or shorter. */
  resize(length: number): void {
    if (this.#length === null || this.#length === length) return;
    // The page at the old end may have more rows now.
    const last = Math.floor(Math.max(0, this.#length - 1) / PAGE);
    this.#length = length;
    if (this.#pages.get(last)?.length !== PAGE) this.#drop(last);
    this.#fill();
    this.#say();
  }

  /** Asks again for all that is looked at; what is here stays until the new is there. */
  reload(): void {
    this.#generation += 1;
    this.#asked.clear();
    this.#failure = null;
    const [first, last] = this.#length === null ? [0, 0] : this.#wanted;
    for (const page of [...this.#pages.keys()]) if (page < first || page > last) this.#drop(page);
    if (this.#length === null) {
      this.#starts = [null];
      this.#walked = 0;
      this.#ended = false;
      this.#wanted = [0, 0];
    }
    for (let page = first; page <= last; page += 1) void this.#ask(page);
  }

  /** Tries again what failed. */
  retry(): void {
    this.#failure = null;
    this.#fill();
    this.#say();
  }

  #fill(): void {
    if (this.#failure !== null) return;
    for (let page = this.#wanted[0]; page <= this.#wanted[1]; page += 1) {
      if (this.#asked.size >= AT_ONCE) return;
      if (this.#pages.has(page) || this.#asked.has(page)) continue;
      if (this.#length === null ? page >= this.#starts.length : page * PAGE >= this.#length) continue;
      void this.#ask(page);
    }
  }

  async #ask(page: number): Promise<void> {
    const generation = this.#generation;
    this.#asked.add(page);
    try {
      const { rows, next } = await this.#load(page, this.#starts[page] ?? null);
      if (generation !== this.#generation) return;
      this.#put(page, rows);
      if (this.#length === null) this.#walk(page, rows.length, next);
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#failure = error;
    }
    this.#asked.delete(page);
    this.#say();
    this.#fill();
  }

  #put(page: number, rows: readonly Row[]): void {
    this.#drop(page);
    this.#pages.set(page, [...rows]);
    for (const [index, { id }] of rows.entries()) this.#places.set(id, [page, index]);
    // A Map keeps the order in which pages came: the first is the oldest.
    for (const old of this.#pages.keys()) {
      if (this.#pages.size <= KEPT) break;
      if (old < this.#wanted[0] || old > this.#wanted[1]) this.#drop(old);
    }
  }

  #walk(page: number, count: number, next: string | null): void {
    if (page !== this.#starts.length - 1) return;
    this.#walked = page * PAGE + count;
    if (next === null) this.#ended = true;
    else this.#starts.push(next);
  }

  #drop(page: number): void {
    for (const { id } of this.#pages.get(page) ?? []) {
      if (this.#places.get(id)?.[0] === page) this.#places.delete(id);
    }
    this.#pages.delete(page);
  }

  #say(): void {
    this.#version += 1;
    for (const watcher of this.#watchers) watcher();
  }
}
