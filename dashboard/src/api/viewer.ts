/** Who is signed in, and what may be offered to them. */

import { useQuery } from "urql";
import { type Scope, ViewerDocument } from "../gql/graphql";

export interface Viewer {
  readonly workspace: string | null;
  /** Whether the key may do it; not while that is not known yet. */
  may(scope: Scope): boolean;
}

export function useViewer(): Viewer {
  const [{ data }] = useQuery({ query: ViewerDocument });
  const scopes = data?.viewer.scopes ?? [];
  return {
    workspace: data?.viewer.workspace ?? null,
    may: (scope) => scopes.includes(scope),
  };
}
