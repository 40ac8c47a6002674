import type { ReactElement, ReactNode } from "react";

interface Props {
  readonly name: string;
  readonly text: string;
  readonly children: ReactNode;
  open(): void;
}

/** An operation in a panel, which opens in a new tab. */
export function Entry({ name, text, children, open }: Props): ReactElement {
  const kind = /^(query|mutation|subscription)\b/m.exec(text)?.[1] ?? "query";
  return (
    <li>
      <button type="button" className="graphiql-un-styled" onClick={open}>
        <span>
          <strong>{name}</strong> <em data-kind={kind}>{kind}</em>
        </span>
        <span>{children}</span>
      </button>
    </li>
  );
}
