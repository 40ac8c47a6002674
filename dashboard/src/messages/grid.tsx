/** The rows that are in sight, in a grid of all of them. */

import { Box, Center } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useVirtualizer } from "@tanstack/react-virtual";
import {
  type KeyboardEvent,
  memo,
  type ReactElement,
  type ReactNode,
  type Ref,
  useEffect,
  useImperativeHandle,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import { useTranslation } from "react-i18next";
import { INDICATOR_OF, indicatorFill } from "../app/theme";
import { useFormat } from "../i18n/format";
import { Dot } from "./filters";
import css from "./grid.module.css";
import { observeScaledOffset, scaleOf, scrollScaled } from "./scale";
import type { MessageWindow, Row } from "./window";

const COLUMNS = ["number", "name", "status", "at", "error", "country"] as const;
const TALL = 64;
const FLAT = 44;
const HEAD = 40;
/** Of rows that fly past nobody is asked for. */
const SETTLED_MS = 80;
/** A list that is looked at from its top follows by itself, at most so often. */
const FOLLOW_MS = 2000;

export interface GridHandle {
  toTop(): void;
}

interface Props {
  readonly ref: Ref<GridHandle>;
  readonly window: MessageWindow;
  readonly label: string;
  readonly moved: number;
  readonly nothing: ReactNode;
  open(row: Row): void;
  refresh(): void;
  failure(error: unknown, retry: () => void): ReactNode;
}

export function Grid({ ref, window, label, moved, nothing, open, refresh, failure }: Props): ReactElement {
  const { t } = useTranslation("messages");
  const version = useSyncExternalStore(window.watch, window.version);
  const wide = useMediaQuery("(min-width: 62em)", undefined, { getInitialValueInEffect: false });
  const scroller = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(-1);
  const size = wide ? FLAT : TALL;
  const rows = useVirtualizer({
    count: window.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => size,
    overscan: 6,
    // The head stands before the first row that is in sight.
    scrollPaddingStart: HEAD,
    observeElementOffset: observeScaledOffset,
    scrollToFn: scrollScaled,
  });
  useEffect(() => rows.measure(), [rows, size]);

  useImperativeHandle(ref, () => ({
    toTop: () => rows.scrollToOffset(0),
  }));

  // Another list begins at its top.
  useEffect(() => {
    scroller.current?.scrollTo({ top: 0 });
    setActive(-1);
  }, [window]);

  const seen = rows.getVirtualItems();
  const [first, last] = [seen[0]?.index ?? 0, seen.at(-1)?.index ?? 0];
  useEffect(() => {
    const settled = setTimeout(() => window.want(first, last), rows.isScrolling ? SETTLED_MS : 0);
    return () => clearTimeout(settled);
  }, [window, first, last, version, rows.isScrolling]);

  useFollowing(moved, () => (scroller.current?.scrollTop ?? 1) === 0, refresh);

  function press(event: KeyboardEvent): void {
    const screen = Math.max(1, Math.floor((scroller.current?.clientHeight ?? size) / size) - 1);
    const to = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + screen,
      PageUp: active - screen,
      Home: 0,
      End: window.length - 1,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      const next = Math.min(Math.max(to, 0), window.length - 1);
      setActive(next);
      rows.scrollToIndex(next, { align: "auto" });
    } else if (event.key === "Enter" || event.key === " ") {
      const row = window.row(active);
      if (row) {
        event.preventDefault();
        open(row);
      }
    }
  }

  if (window.failure !== null) return <Box>{failure(window.failure, () => window.retry())}</Box>;
  if (window.ended && window.length === 0) return <Center py="xl">{nothing}</Center>;

  const scale = scaleOf(rows);
  // Where a row lies in the scroller: as far from what is in sight as in the list.
  const shift = scale === 1 ? 0 : (scroller.current?.scrollTop ?? 0) - (rows.scrollOffset ?? 0);
  const height = scale === 1 ? rows.getTotalSize() : rows.getTotalSize() / scale;
  return (
    <div
      ref={scroller}
      className={css["scroller"]}
      role="grid"
      // biome-ignore lint: the grid itself is what keys move in
      tabIndex={0}
      aria-label={label}
      aria-rowcount={window.ended ? window.length + 1 : -1}
      aria-colcount={COLUMNS.length}
      aria-activedescendant={active >= first && active <= last ? rowId(active) : undefined}
      onKeyDown={press}
    >
      <div role="rowgroup">
        <div role="row" className={css["head"]} aria-rowindex={1}>
          {COLUMNS.map((name) => (
            <span key={name} role="columnheader">
              {t(`columns.${name}`)}
            </span>
          ))}
        </div>
      </div>
      <div role="rowgroup" style={{ position: "relative", height }}>
        {seen.map(({ index, start }) => (
          <Line
            key={index}
            index={index}
            row={window.row(index)}
            top={Math.round(start + shift)}
            height={size}
            active={index === active}
            open={open}
            choose={setActive}
          />
        ))}
      </div>
    </div>
  );
}

function rowId(index: number): string {
  return `message-${index}`;
}

interface LineProps {
  readonly index: number;
  readonly row: Row | undefined;
  readonly top: number;
  readonly height: number;
  readonly active: boolean;
  open(row: Row): void;
  choose(index: number): void;
}

/** Drawn again only when the message itself changed, or moved. */
const Line = memo(function Line({ index, row, top, height, active, open, choose }: LineProps): ReactElement {
  const { t } = useTranslation(["messages", "common"]);
  const format = useFormat();
  const place = { transform: `translateY(${top}px)`, height };
  if (!row) {
    return (
      <div role="row" aria-rowindex={index + 2} aria-busy className={css["row"]} style={place}>
        {COLUMNS.map((name) => (
          <span key={name} role="gridcell" data-cell={name} aria-label={t("common:loading")}>
            <span className={css["waiting"]} style={{ display: "block", width: name === "country" ? "2rem" : "70%" }} />
          </span>
        ))}
      </div>
    );
  }
  const error = [row.errorCode, row.errorReason].filter(Boolean).join(" · ");
  return (
    // biome-ignore lint: keys are the grid's
    <div
      id={rowId(index)}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={active}
      data-active={active}
      className={css["row"]}
      style={place}
      onClick={() => {
        choose(index);
        open(row);
      }}
    >
      <span role="gridcell" data-cell="number">
        {row.recipient}
      </span>
      <span role="gridcell" data-cell="name">
        {row.contactName ?? ""}
      </span>
      <span role="gridcell" data-cell="status" className={css["status"]}>
        <Dot color={indicatorFill(INDICATOR_OF[row.status])} />
        {t(`common:status.${row.status}`)}
      </span>
      <span role="gridcell" data-cell="at">
        {format.time(row.statusAt)}
      </span>
      <span role="gridcell" data-cell="error" className={css["quiet"]} title={error}>
        {error}
      </span>
      <span role="gridcell" data-cell="country" className={css["quiet"]}>
        {row.country ? format.country(row.country) : ""}
      </span>
    </div>
  );
});

/** Reads the list again when it moved, as long as its top is in sight. */
function useFollowing(moved: number, atTop: () => boolean, refresh: () => void): void {
  const followed = useRef(0);
  const now = useRef({ atTop, refresh });
  now.current = { atTop, refresh };
  const moves = moved > 0;
  useEffect(() => {
    if (!moves) return;
    const wait = Math.max(0, followed.current + FOLLOW_MS - performance.now());
    const timer = setTimeout(() => {
      if (!now.current.atTop()) return;
      followed.current = performance.now();
      now.current.refresh();
    }, wait);
    return () => clearTimeout(timer);
  }, [moves]);
}
