import { Text } from "@mantine/core";
import { MessageSquare } from "lucide-react";
import type { ReactElement } from "react";
import { useFormat } from "../i18n/format";
import css from "./report.module.css";

interface Props {
  readonly text: string;
  readonly sender: string;
  readonly at: string;
}

/** The text as whoever gets it sees it. */
export function Phone({ text, sender, at }: Props): ReactElement {
  const format = useFormat();
  return (
    <div className={css["phone"]}>
      <div className={css["screen"]}>
        <div className={css["sender"]}>
          <div className={css["avatar"]}>
            <MessageSquare size={20} aria-hidden />
          </div>
          <Text fw={600} size="sm" dir="auto">
            {sender}
          </Text>
        </div>
        <Text size="xs" c="dimmed" ta="center" my="sm">
          {format.time(at)}
        </Text>
        <div className={css["bubble"]} dir="auto" data-testid="text">
          {text}
        </div>
      </div>
    </div>
  );
}
