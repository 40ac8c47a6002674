/**
 * Scrolling through more than a browser can lay out.
 *
 * Elements end at some 17 (Firefox) to 33 (Chromium) million pixels, which is 400,000 rows. Longer lists have a scroller
 * of `LONGEST` pixels, of which each stands for several of the list.
 */

import type { Virtualizer } from "@tanstack/react-virtual";

export const LONGEST = 8_000_000;

type Rows = Virtualizer<HTMLDivElement, Element>;

/** Pixels of the list for each of the scroller; 1 where all of it can be laid out. */
export function scaleOf(rows: Rows): number {
  const seen = rows.scrollElement?.clientHeight ?? 0;
  const whole = rows.getTotalSize();
  return whole <= LONGEST ? 1 : (whole - seen) / (LONGEST - seen);
}

/** TanStack's own, but for the scale. */
export function observeScaledOffset(rows: Rows, changed: (offset: number, isScrolling: boolean) => void): () => void {
  const element = rows.scrollElement;
  if (!element) return () => {};
  let settled: ReturnType<typeof setTimeout> | undefined;
  const say = (isScrolling: boolean) => changed(element.scrollTop * scaleOf(rows), isScrolling);
  const scrolled = () => {
    say(true);
    clearTimeout(settled);
    settled = setTimeout(() => say(false), 120);
  };
  say(false);
  element.addEventListener("scroll", scrolled, { passive: true });
  return () => {
    clearTimeout(settled);
    element.removeEventListener("scroll", scrolled);
  };
}

export function scrollScaled(offset: number, { adjustments = 0 }: { adjustments?: number | undefined }, rows: Rows): void {
  rows.scrollElement?.scrollTo({ top: (offset + adjustments) / scaleOf(rows) });
}
