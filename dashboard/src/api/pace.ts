/**
 * All that changes the page by itself passes here, so that the page is painted at most four times a second.
 *
 * The first change after a pause is shown at once; what comes within a quarter of a second after it waits for the end
 * of that, and is then shown together.
 */

const EVERY_MS = 250;

/** Runs `apply` now or with what else waits, in the order of the calls. */
export type Pace = (apply: () => void) => void;

export function createPace(everyMs = EVERY_MS): Pace {
  let waiting: (() => void)[] = [];
  let planned = false;
  let shownAt = Number.NEGATIVE_INFINITY;

  function show(): void {
    planned = false;
    shownAt = performance.now();
    const changes = waiting;
    waiting = [];
    for (const change of changes) change();
  }

  return (apply) => {
    waiting.push(apply);
    if (planned) return;
    planned = true;
    // Not now, even after a pause: events that came together are shown together.
    setTimeout(show, Math.max(0, shownAt + everyMs - performance.now()));
  };
}
