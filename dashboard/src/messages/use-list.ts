/** The window on a list, kept true by the changes that are pushed. */

import { print } from "@0no-co/graphql.web";
import { useEffect, useMemo, useRef, useState } from "react";
import { useApi } from "../api/api";
import { MessagesAfterDocument, MessagesAtDocument, MessagesLiveDocument, type MessagesLiveSubscription } from "../gql/graphql";
import { type Chosen, filterOf, fits, isInTime, isWhole, orderOf } from "./chosen";
import { MessageWindow, PAGE, type Page } from "./window";

export interface List {
  readonly window: MessageWindow;
  /** Changes since the list was read that it does not show: somebody came into it, left it, or moved in it. */
  readonly moved: number;
  /** Reads it again. */
  refresh(): void;
}

interface Heard {
  /** Of each message that is pushed, whether it is the one. */
  onChange(ids: ReadonlySet<string>): void;
}

/**
 * @param total the campaign's messages
 * @param cursor `updatesCursor` of a query that was read before the list is
 */
export function useList(campaign: string, chosen: Chosen, total: number, cursor: string, { onChange }: Heard): List {
  const { uncached, live } = useApi();
  const [moved, setMoved] = useState(0);
  const whole = isWhole(chosen);
  const start = useRef(cursor);
  const tell = useRef(onChange);
  tell.current = onChange;

  const list = useMemo(() => {
    const [filter, orderBy] = [filterOf(chosen), orderOf(chosen)];
    async function load(number: number, after: string | null): Promise<Page> {
      const answer = whole
        ? await uncached.query(MessagesAtDocument, { id: campaign, from: number * PAGE, first: PAGE }).toPromise()
        : await uncached
            .query(MessagesAfterDocument, {
              id: campaign,
              after,
              first: PAGE,
              ...(filter && { filter }),
              ...(orderBy && { orderBy }),
            })
            .toPromise();
      const found = answer.data?.campaign?.messages;
      if (!found) throw answer.error ?? new Error("no such campaign");
      return { rows: found.nodes, next: found.pageInfo.hasNextPage ? (found.pageInfo.endCursor ?? null) : null };
    }
    return new MessageWindow({ load, length: whole ? total : null });
    // The total changes what is there to scroll, not the list.
  }, [campaign, chosen, whole, uncached]);

  useEffect(() => list.resize(total), [list, total]);

  useEffect(() => {
    setMoved(0);
    const filter = filterOf(chosen);
    return live.subscribe(
      {
        query: print(MessagesLiveDocument as never),
        variables: {
          id: campaign,
          filter: filter ?? null,
          // Read again whenever the connection is: it goes on behind the last event that was seen.
          get after() {
            return start.current;
          },
        },
      },
      {
        next({ data }) {
          const event = (data as MessagesLiveSubscription | null | undefined)?.messagesUpdated;
          if (!event) return;
          start.current = event.cursor;
          if (event.resync) list.reload();
          tell.current(new Set(event.messages.map(({ id }) => id)));
          if (!whole) {
            // In the order of time everything that changes moves.
            const came = isInTime(chosen)
              ? event.messages.length
              : event.messages.filter(({ id, status }) => list.has(id) !== fits(chosen, status)).length;
            if (came > 0) setMoved((before) => before + came);
          }
          list.replace(event.messages);
        },
        // What is wrong with the filter is said where the list is asked for.
        error() {},
        complete() {},
      },
    );
  }, [list, live, campaign, chosen, whole]);

  return {
    window: list,
    moved,
    refresh() {
      setMoved(0);
      list.reload();
    },
  };
}
