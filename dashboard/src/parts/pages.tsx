import { Button, Group } from "@mantine/core";
import { ChevronLeft, ChevronRight } from "lucide-react";
import { type ReactElement, useState } from "react";
import { useTranslation } from "react-i18next";

/** Where a page begins or ends: what a connection's arguments say of it. */
export interface Place {
  readonly first?: number;
  readonly after?: string;
  readonly last?: number;
  readonly before?: string;
}

export interface PageInfo {
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
  readonly startCursor?: string | null;
  readonly endCursor?: string | null;
}

interface Pages {
  readonly place: Place;
  readonly size: number;
  next(info: PageInfo): void;
  previous(info: PageInfo): void;
  /** To the first one. */
  reset(): void;
}

/** Pages of a connection, both ways; of one list. Another filter is another list: `reset`. */
export function usePages(size: number): Pages {
  const [place, setPlace] = useState<Place>({ first: size });
  return {
    place,
    size,
    next: ({ endCursor }) => setPlace({ first: size, after: endCursor ?? "" }),
    previous: ({ startCursor }) => setPlace({ last: size, before: startCursor ?? "" }),
    reset: () => setPlace({ first: size }),
  };
}

interface PagerProps {
  readonly pages: Pages;
  readonly info: PageInfo | undefined;
  /** Another page is on its way: what is shown is of a list that is left. */
  readonly busy: boolean;
}

/** The way to the pages before and behind; nothing where everything stands on one. */
export function Pager({ pages, info, busy }: PagerProps): ReactElement | null {
  const { t } = useTranslation();
  if (!info || (!info.hasNextPage && !info.hasPreviousPage)) return null;
  return (
    <Group component="nav" justify="center" aria-label={t("pages.name")}>
      <Button
        variant="default"
        disabled={busy || !info.hasPreviousPage}
        onClick={() => pages.previous(info)}
        leftSection={<ChevronLeft size={16} aria-hidden />}
      >
        {t("pages.previous")}
      </Button>
      <Button
        variant="default"
        disabled={busy || !info.hasNextPage}
        onClick={() => pages.next(info)}
        rightSection={<ChevronRight size={16} aria-hidden />}
      >
        {t("pages.next")}
      </Button>
    </Group>
  );
}
