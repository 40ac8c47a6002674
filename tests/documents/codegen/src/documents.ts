// All that this client asks; each is known to the server by its hash, too (persisted-documents.json).
import { graphql } from './gql/index.js';

export const Row = graphql(`
  fragment Row on Message {
    id
    recipient
    status
    indicator
    statusAt
    history {
      status
      at
    }
  }
`);

export const Report = graphql(`
  query Report($id: ID!, $first: Int, $after: String, $filter: MessageFilter) {
    campaign(id: $id) {
      id
      name
      type
      state
      createdAt
      sentAt
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
          action
        }
      }
      messages(first: $first, after: $after, filter: $filter) {
        totalCount
        nodes {
          ...Row
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);

export const Figures = graphql(`
  query Figures($id: ID!, $from: DateTime, $search: String!) {
    campaign(id: $id) {
      id
      timeline(interval: HOUR) {
        at
        interval
        statuses {
          status
          count
        }
      }
      breakdown(by: COUNTRY, first: 5) {
        key
        label
        total
      }
      deliveryTime {
        count
        p50
        p90
        p99
      }
      alerts {
        indicator
        rate
        threshold
        message
      }
      found: messages(filter: { search: $search }, first: 5) {
        nodes {
          ...Row
        }
      }
    }
    campaigns(
      first: 5
      filter: { search: "Spr", state: COMPLETED }
      orderBy: { field: NAME, direction: DESC }
    ) {
      totalCount
    }
    all: statistics(from: $from) {
      total
    }
    one: statistics(campaignIds: [$id]) {
      total
    }
  }
`);

export const Again = graphql(`
  query Again($ids: [ID!]!) {
    nodes(ids: $ids) {
      __typename
      id
      ... on Campaign {
        name
      }
      ... on Message {
        ...Row
      }
    }
  }
`);

export const Create = graphql(`
  mutation Create($input: CreateCampaignInput!) {
    createCampaign(input: $input) {
      campaign {
        id
        name
        type
      }
      userErrors {
        field
        code
        message
      }
    }
  }
`);

export const Add = graphql(`
  mutation Add($input: AddRecipientsInput!) {
    addRecipients(input: $input) {
      added
      messages {
        ...Row
      }
      userErrors {
        field
        code
        message
      }
    }
  }
`);

export const Record = graphql(`
  mutation Record($input: RecordReceiptsInput!) {
    recordReceipts(input: $input) {
      applied
      userErrors {
        code
      }
    }
  }
`);

export const Changes = graphql(`
  subscription Changes($campaign: ID!, $after: String, $filter: MessageFilter) {
    messagesUpdated(campaignId: $campaign, after: $after, filter: $filter) {
      cursor
      resync
      messages {
        ...Row
      }
    }
  }
`);
