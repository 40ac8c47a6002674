import type { ReactElement } from "react";

/** One line a contact: the report's third part. */
export function Messages({ campaign }: { campaign: string }): ReactElement {
  return <p>{campaign}</p>;
}
