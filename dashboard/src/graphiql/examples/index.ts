import type { Credentials } from "../credentials";
import history from "./History.graphql?raw";
import historyVariables from "./History.json";
import liveCampaign from "./LiveCampaign.graphql?raw";
import liveCampaignVariables from "./LiveCampaign.json";
import liveMessages from "./LiveMessages.graphql?raw";
import liveMessagesVariables from "./LiveMessages.json";
import nextPage from "./NextPage.graphql?raw";
import nextPageVariables from "./NextPage.json";
import report from "./Report.graphql?raw";
import reportVariables from "./Report.json";

/** A tab of GraphiQL. */
export interface Example {
  readonly query: string;
  readonly variables: string;
  readonly headers: string;
}

const EXAMPLES: readonly (readonly [query: string, variables: object])[] = [
  [history, historyVariables],
  [report, reportVariables],
  [nextPage, nextPageVariables],
  [liveCampaign, liveCampaignVariables],
  [liveMessages, liveMessagesVariables],
];

/** The example tabs, with the key and the campaign filled in where they are known. */
export function fillExamples({ key, campaign }: Credentials): Example[] {
  const headers = pretty({ Authorization: `Bearer ${key ?? "PASTE-YOUR-KEY"}` });
  return EXAMPLES.map(([query, variables]) => {
    const known = campaign !== null && "campaign" in variables ? { campaign } : {};
    return { query, variables: pretty({ ...variables, ...known }), headers };
  });
}

function pretty(value: object): string {
  return JSON.stringify(value, null, 2);
}
