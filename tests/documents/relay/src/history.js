// The history page: every sending, with pages to either side.
import { graphql } from 'relay-runtime';

export const CampaignRow = graphql`
  fragment history_row on Campaign {
    id
    name
    type
    state
    createdAt
    sentAt
    recipientCount
    cost
    statistics {
      revision
      asOf
      total
      indicators {
        indicator
        label
        count
        rate
      }
    }
  }
`;

export const CampaignList = graphql`
  fragment history_list on Query
  @refetchable(queryName: "historyPageQuery")
  @argumentDefinitions(
    first: { type: "Int", defaultValue: 2 }
    after: { type: "String" }
    last: { type: "Int" }
    before: { type: "String" }
    filter: { type: "CampaignFilter" }
  ) {
    campaigns(first: $first, after: $after, last: $last, before: $before, filter: $filter)
      @connection(key: "history_campaigns", filters: ["filter"]) {
      totalCount
      edges {
        node {
          ...history_row
        }
      }
    }
  }
`;

export const HistoryPage = graphql`
  query historyQuery($filter: CampaignFilter) {
    ...history_list @arguments(filter: $filter)
  }
`;

export const NewCampaign = graphql`
  mutation historyCreateMutation($input: CreateCampaignInput!, $connections: [ID!]!) {
    createCampaign(input: $input) {
      campaign @prependNode(connections: $connections, edgeTypeName: "CampaignEdge") {
        ...history_row
      }
      userErrors {
        field
        code
        message
      }
      clientMutationId
    }
  }
`;

export const HistoryChanges = graphql`
  subscription historySubscription {
    campaignsUpdated(minIntervalMs: 100) {
      ...history_row
    }
  }
`;
