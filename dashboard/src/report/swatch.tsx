import type { ReactElement } from "react";
import { indicatorFill } from "../app/theme";
import type { DeliveryIndicator } from "../gql/graphql";
import css from "./report.module.css";

/** The colour of an indicator, beside its name. */
export function Swatch({ indicator }: { indicator: DeliveryIndicator }): ReactElement {
  return <span className={css["swatch"]} style={{ background: indicatorFill(indicator) }} aria-hidden />;
}
