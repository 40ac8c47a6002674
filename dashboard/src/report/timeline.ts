/** The points of a timeline as the columns of a chart. */

import { INDICATOR_OF } from "../app/theme";
import type { CourseFragment, DeliveryIndicator, DeliveryStatus, TimelineInterval } from "../gql/graphql";

export type Points = CourseFragment["timeline"];

/** What receipts say. PENDING is left out: a message waits from its registration on, which no receipt reports. */
export const REPORTED = ["RECEIPT", "TEMPORARY_ERROR", "PERMANENT_ERROR", "UNSUBSCRIBE"] as const satisfies
  readonly DeliveryIndicator[];

export interface Columns {
  /** Seconds that an interval has. */
  readonly step: number;
  /** When each interval begins, in seconds: without gaps, also where nothing came. */
  readonly at: Float64Array;
  /** By the place in REPORTED: how many came in each interval. */
  readonly counts: readonly Float64Array[];
  /** How many came in each interval, of all. */
  readonly all: Float64Array;
  readonly total: number;
}

const HOUR_MS = 3_600_000;
const SECONDS: Readonly<Record<TimelineInterval, number>> = { MINUTE: 60, HOUR: 3600, DAY: 86_400 };
const MOST = 2000;
const PLACE = new Map<DeliveryStatus, number>(
  Object.entries(INDICATOR_OF).flatMap(([status, indicator]) => {
    const place = (REPORTED as readonly DeliveryIndicator[]).indexOf(indicator);
    return place < 0 ? [] : [[status as DeliveryStatus, place]];
  }),
);

/** About two hundred columns at most: minutes of a campaign of today, hours of one of this week, else days. */
export function intervalFor(since: string, now = Date.now()): TimelineInterval {
  const age = now - Date.parse(since);
  return age < 3 * HOUR_MS ? "MINUTE" : age < 240 * HOUR_MS ? "HOUR" : "DAY";
}

/** Null where no receipt has come. */
export function columnsOf(points: Points, asked: TimelineInterval): Columns | null {
  const size = points.length;
  const times = new Float64Array(size);
  const values = new Float64Array(size * REPORTED.length);
  let step = SECONDS[asked];
  let first = -1;
  let last = -1;
  for (let index = 0; index < size; index++) {
    const { at, interval, statuses } = points[index]!;
    times[index] = Date.parse(at) / 1000;
    // Where minutes are no longer kept the point is an hour.
    step = Math.max(step, SECONDS[interval]);
    let some = false;
    for (const { status, count } of statuses) {
      const place = count === 0 ? undefined : PLACE.get(status);
      if (place === undefined) continue;
      values[index * REPORTED.length + place]! += count;
      some = true;
    }
    if (!some) continue;
    if (first < 0) first = index;
    last = index;
  }
  if (first < 0) return null;

  const reach = times[last]! - times[first]!;
  if (reach / step > MOST) step = reach / SECONDS.HOUR > MOST ? SECONDS.DAY : SECONDS.HOUR;
  const begin = Math.floor(times[first]! / step);
  const length = Math.floor(times[last]! / step) - begin + 1;
  const at = Float64Array.from({ length }, (_, column) => (begin + column) * step);
  const counts = REPORTED.map(() => new Float64Array(length));
  const all = new Float64Array(length);
  let total = 0;
  for (let index = first; index <= last; index++) {
    const column = Math.floor(times[index]! / step) - begin;
    for (let place = 0; place < REPORTED.length; place++) {
      const value = values[index * REPORTED.length + place]!;
      counts[place]![column]! += value;
      all[column]! += value;
      total += value;
    }
  }
  return { step, at, counts, all, total };
}

/**
 * What a stack of bars is drawn from: each on top of those before it. The highest comes first, as what is drawn later
 * lies over it.
 */
export function stacked({ at, counts }: Columns): [Float64Array, ...Float64Array[]] {
  const sums: Float64Array[] = [];
  for (const values of counts) {
    const below = sums[0];
    sums.unshift(below ? below.map((value, column) => value + values[column]!) : values);
  }
  return [at, ...sums];
}
