/** Stacked bars over time. Made once; what arrives is drawn in place. */

import "uplot/dist/uPlot.min.css";
import { type ReactElement, useEffect, useRef } from "react";
import uPlot from "uplot";
import { INDICATOR_COLOR } from "../app/theme";
import { type Format, useFormat } from "../i18n/format";
import css from "./report.module.css";
import { type Columns, REPORTED, stacked } from "./timeline";

const DAY = 86_400;
/** So that the first bars of a campaign are not as wide as the page. */
const LEAST_COLUMNS = 12;
const FONT = "12px system-ui, sans-serif";
const WHOLE_NUMBERS = Array.from({ length: 8 }, (_, power) => [1, 2, 5].map((first) => first * 10 ** power)).flat();

interface Props {
  readonly columns: Columns;
  /** What it shows, in words. */
  readonly label: string;
  /** Somebody points at a column, or at none. */
  onPoint(column: number | null): void;
}

export default function Chart({ columns, label, onPoint }: Props): ReactElement {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const shown = useRef(columns);
  shown.current = columns;
  const format = useFormat();

  useEffect(() => {
    const box = place.current!;
    const made = new uPlot(optionsFor(box, shown, format, onPoint), stacked(shown.current), box);
    plot.current = made;
    const resized = new ResizeObserver(() => {
      const { width, height } = sizeOf(box);
      if (width !== made.width || height !== made.height) made.setSize({ width, height });
    });
    resized.observe(box);
    // Light or dark: the colours are read whenever it is drawn.
    const recoloured = new MutationObserver(() => made.redraw(false, true));
    recoloured.observe(document.documentElement, { attributeFilter: ["data-mantine-color-scheme"] });
    return () => {
      resized.disconnect();
      recoloured.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [format, onPoint]);

  useEffect(() => plot.current?.setData(stacked(columns)), [columns]);

  return <div ref={place} className={css["chart"]} role="img" aria-label={label} data-columns={columns.at.length} />;
}

function optionsFor(
  box: HTMLElement,
  shown: { readonly current: Columns },
  format: Format,
  onPoint: (column: number | null) => void,
): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => () => style.getPropertyValue(`--mantine-color-${name}`);
  const line = colour("default-border");
  const text = colour("dimmed");
  return {
    ...sizeOf(box),
    padding: [8, 24, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false, setScale: false } },
    scales: {
      x: {
        time: true,
        range: () => {
          const { at, step } = shown.current;
          const [from, columns] = [at[0]!, Math.max(at.length, LEAST_COLUMNS)];
          return [from, from + columns * step];
        },
      },
      y: { range: (_, _from, to) => [0, Math.max(1, to * 1.05)] },
    },
    axes: [
      {
        stroke: text,
        font: FONT,
        space: 72,
        grid: { show: false },
        ticks: { stroke: line, width: 1 },
        values: (_, at) => at.map((seconds, place) => tick(seconds, at[place - 1], shown.current.step, format)),
      },
      {
        stroke: text,
        font: FONT,
        size: (_, counts) => 20 + 7 * Math.max(...(counts ?? []).map((count) => count.length), 1),
        incrs: WHOLE_NUMBERS,
        grid: { stroke: line, width: 1 },
        ticks: { show: false },
        values: (_, counts) => counts.map((count) => format.number(count)),
      },
    ],
    series: [
      {},
      ...[...REPORTED].reverse().map((indicator) => ({
        fill: colour(`${INDICATOR_COLOR[indicator]}-filled`),
        width: 0,
        points: { show: false },
        paths: uPlot.paths.bars!({ size: [0.86, 48], align: 1 }),
      })),
    ],
    hooks: { setCursor: [(chart) => onPoint(chart.cursor.idx ?? null)] },
  };
}

/** The day where another begins, else the time. */
function tick(seconds: number, before: number | undefined, step: number, format: Format): string {
  const at = new Date(seconds * 1000);
  if (step === DAY) return format.day(at, true);
  const sameDay = before !== undefined && new Date(before * 1000).toDateString() === at.toDateString();
  const midnight = at.getHours() === 0 && at.getMinutes() === 0;
  return midnight || (!sameDay && before !== undefined) ? format.day(at) : format.minute(at);
}

function sizeOf({ clientWidth: width, clientHeight: height }: HTMLElement): { width: number; height: number } {
  return { width, height };
}
