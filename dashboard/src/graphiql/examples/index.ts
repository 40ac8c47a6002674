/** Operations to begin with. Beside each is a file with the variables that it comes with. */

const texts = import.meta.glob<string>("./*.graphql", { query: "?raw", import: "default", eager: true });
const variables = import.meta.glob<object>("./*.json", { import: "default", eager: true });

/** What stands in variables until the campaign is known. */
const CAMPAIGN = "PASTE-A-CAMPAIGN-ID";

export interface Example {
  readonly name: string;
  /** What it is for: the first sentence of its comment. */
  readonly sentence: string;
  readonly query: string;
  /** As text for the editor, with the campaign filled in where it is known. */
  variables(campaign: string | null): string;
}

export interface Theme {
  readonly theme: string;
  readonly examples: readonly Example[];
}

export const THEMES: readonly Theme[] = [
  theme("Campaigns", ["History", "HistoryFiltered", "Statistics", "Viewer"]),
  theme("Report", ["Report", "Figures", "Timeline", "Breakdown"]),
  theme("Messages", ["NextPage", "FromPosition", "FilteredMessages", "SearchedMessages", "MessageHistory"]),
  theme("Live", ["LiveCampaign", "LiveMessages", "Resume", "LiveCampaigns"]),
  theme("After the report", ["Audience", "FollowUp", "Hygiene"]),
  theme("Address book and blacklist", [
    "Contacts",
    "RemovedContacts",
    "CreateContact",
    "UpdateContact",
    "Blacklist",
    "AddToBlacklist",
    "RemoveFromBlacklist",
  ]),
  theme("Sending", ["CreateCampaign", "AddRecipients", "BindProviderMessages", "RecordReceipts"]),
];

/** Those that are open at first. */
export const TABS = ["History", "Report", "NextPage", "LiveCampaign", "LiveMessages"].map(example);

function theme(name: string, names: readonly string[]): Theme {
  return { theme: name, examples: names.map(example) };
}

function example(name: string): Example {
  const query = texts[`./${name}.graphql`];
  if (query === undefined) throw new Error(`no example ${name}`);
  const given = variables[`./${name}.json`] ?? {};
  const comment = query.match(/^#.*/gm)?.map((line) => line.slice(2)).join(" ") ?? "";
  return {
    name,
    query,
    sentence: comment.match(/^.*?\.(?= |$)/)?.[0] ?? comment,
    variables: (campaign) =>
      JSON.stringify(given, (_, value) => (value === CAMPAIGN && campaign !== null ? campaign : value), 2),
  };
}
