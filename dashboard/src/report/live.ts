import { useEffect } from "react";
import type { CombinedError } from "urql";

/** Tells of a subscription that the server has ended: what is shown would stand still without a word. */
export function useLoss(error: CombinedError | undefined, lost: (error: CombinedError) => void): void {
  useEffect(() => {
    if (error) lost(error);
  }, [error, lost]);
}
